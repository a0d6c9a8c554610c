"""A load generator for HTTP: no two heads are alike, and every answer is counted.

An answer of a resource always has the same length, since a Date has; the first one of each server says it.
The answers to a pipeline are read by that length, and then as many must say 200 as were asked.
"""

import select
import socket
from itertools import count
from time import perf_counter

HEAD = (
    b"GET /%b?n=%d HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept: application/json, text/plain, */*\r\nAccept-Encoding: gzip, deflate\r\n"
    b"X-Request-Id: %016x\r\n\r\n"
)
GOOD = b"HTTP/1.1 200 "


class Client:
    """One connection that asks `pipeline` times at once, again when all is answered."""

    def __init__(self, port: int, resource: bytes, pipeline: int, length: int, numbers: "count[int]") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self._resource, self._pipeline, self._numbers = resource, pipeline, numbers
        self._expected = length * pipeline
        self._answers = b""

    def ask(self) -> None:
        numbers = [next(self._numbers) for _ in range(self._pipeline)]
        self.socket.sendall(b"".join(HEAD % (self._resource, number, number) for number in numbers))

    def hear(self) -> bool:
        """Read; whether everything is answered. Raises ValueError for a wrong answer."""
        self._answers += self.socket.recv(1 << 18)
        if len(self._answers) < self._expected:
            return False
        if len(self._answers) > self._expected or self._answers.count(GOOD) != self._pipeline:
            raise ValueError(f"a wrong answer: {self._answers[:200]!r}")
        self._answers = b""
        return True


class Load:
    """What a server is asked, on connections that stay."""

    def __init__(self, port: int, resource: str, pipeline: int, connections: int) -> None:
        self._pipeline, numbers = pipeline, count()
        length = answer_length(port, resource.encode(), numbers)
        clients = [Client(port, resource.encode(), pipeline, length, numbers) for _ in range(connections)]
        self._clients = {client.socket.fileno(): client for client in clients}

    def run(self, requests: int) -> float:
        """So many requests, about; seconds."""
        left = requests // self._pipeline
        started, poll = perf_counter(), select.epoll()
        for number, client in self._clients.items():
            poll.register(number, select.EPOLLIN)
            client.ask()
        running = len(self._clients)
        while running:
            for number, _ in poll.poll():
                if self._clients[number].hear():
                    if (left := left - 1) >= len(self._clients):
                        self._clients[number].ask()
                    else:
                        running -= 1
        poll.close()
        return perf_counter() - started

    def close(self) -> None:
        for client in self._clients.values():
            client.socket.close()


def answer_length(port: int, resource: bytes, numbers: "count[int]") -> int:
    """The bytes of one answer, from its head to the end that Content-Length says."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(HEAD % (resource, (number := next(numbers)), number))
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(65536)
    head = answer.partition(b"\r\n\r\n")[0].lower()
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    return len(head) + 4 + int(length.partition(b":")[2])
