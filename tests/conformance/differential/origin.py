"""A little HTTP server for tests of the comparison, strict or forgiving: then LF alone ends a line."""

import hashlib
import json
import re
import socket

from tests.conformance.servers import Handler

REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def origin(forgiving: bool = False) -> Handler:
    """Requests without a body; refuses what has half a line end in it."""

    def handler(connection: socket.socket) -> None:
        buffer = b""
        while chunk := connection.recv(65536):
            buffer += chunk
            if re.search(rb"\r(?!\n)|(?<!\r)\n" if not forgiving else rb"\r(?!\n)", buffer):
                connection.sendall(REFUSAL)
                return
            while match := re.match(rb"(.*?)\r?\n\r?\n", buffer, re.DOTALL):
                buffer = buffer[match.end() :]
                connection.sendall(answer(match[1]))
                if b"Connection: close" in match[1]:
                    return

    return handler


def answer(head: bytes) -> bytes:
    """What `/reflect` says."""
    method, target, _ = re.split(rb"\s+", head + b" - -", maxsplit=2)
    if target == b"/":
        return HELLO
    empty = hashlib.sha256(b"").hexdigest()
    about = {"method": method.decode("latin-1"), "target": target.decode("latin-1"), "path": "", "query": []}
    body = json.dumps({**about, "version": "1.1", "headers": [], "length": 0, "sha256": empty}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
