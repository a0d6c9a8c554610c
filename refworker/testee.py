"""The server that the conformance suite judges, and the best example of the API: `refworker.testee start`.

A service is offered where its port stands in the environment: PORT_TCP, PORT_TEXT, PORT_FRAME,
PORT_WEBSOCKET, PORT_UDP, PORT_CUSTOM, PORT_TASK, PORT_RELAY, PORT_PIPE (wants PORT_TCP), PORT_FLOW,
PORT_AUTH, PORT_HEARTBEAT, PORT_HTTP, PORT_PROBE_CONTROL (and _TEXT, _WEBSOCKET, _TCP), PORT_TLS, PORT_WSS and
PORT_HTTPS, which need the files CERT and KEY; `unix` where UNIX_PATH says at which path. Also read:
MAX_PACKAGE_SIZE in bytes and the limits of HTTP (see `testee_http.py`), PID_FILE, LOG_FILE, OUTBOX (the file
that `send_mail` appends to) and VERSION_FILE (the file whose text `version` gives).
"""

import asyncio
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from refworker import (
    AsyncTcpConnection,
    Dispatcher,
    TaskError,
    TaskWorker,
    TcpConnection,
    Timer,
    UdpConnection,
    Worker,
    run_all,
    statistics,
    testee_http,
)
from refworker.probe import ProbeService
from refworker.protocols.base import as_bytes

VERSION = Path(file).read_text() if (file := os.environ.get("VERSION_FILE")) and Path(file).exists() else ""
"""Read when this code is loaded: a reload must bring the new text."""

HOST = "127.0.0.1"
SERVICES = (
    *("tcp", "text", "frame", "websocket", "udp", "custom", "task", "relay", "tls", "wss"),
    *("http", "https"),
    *("pipe", "flow", "auth", "heartbeat"),
)
PROBES = ("control", "text", "websocket", "tcp")
TASKS = (
    "echo",
    "add",
    "version",
    "sleep",
    "block",
    "fail",
    "throw",
    "crash",
    "hang",
    "counters",
    "send_mail",
)


def echo(connection: TcpConnection | UdpConnection, message: Any) -> None:
    """What came goes back."""
    connection.send(message)


def careful(worker: Worker) -> Worker:
    """Read no more from a client than it reads from us: a slow reader costs one send buffer, no more."""
    worker.on_buffer_full = TcpConnection.pause_recv
    worker.on_buffer_drain = TcpConnection.resume_recv
    return worker


class LengthByte:
    """The custom protocol: one byte of payload length, then the payload."""

    @staticmethod
    def input(buffer: bytearray) -> int:
        """The length of the package at the start of the buffer."""
        return 1 + buffer[0]

    @staticmethod
    def decode(package: bytes) -> bytes:
        """The payload."""
        return package[1:]

    @staticmethod
    def encode(message: Any) -> bytes:
        """The package; ValueError for more than 255 bytes."""
        payload = as_bytes(message)
        return bytes([len(payload)]) + payload


class Tasks:
    """The task functions; plain ones hold up their process, async ones nobody."""

    def __init__(self, worker: TaskWorker) -> None:
        self.worker = worker
        for name in TASKS:
            worker.register(name, getattr(self, name))
        worker.register("worker", self.identity)

    @staticmethod
    def echo(value: Any) -> Any:
        """The value."""
        return value

    @staticmethod
    def add(a: float, b: float) -> float:
        """The sum."""
        return a + b

    def identity(self) -> dict[str, Any]:
        """Which process this is."""
        return {"pid": os.getpid(), "id": self.worker.id, "name": self.worker.name, "master": os.getppid()}

    @staticmethod
    def version() -> str:
        """The text of VERSION_FILE when this code was loaded."""
        return VERSION

    @staticmethod
    async def sleep(seconds: float) -> float:
        """Wait, and let the process serve others meanwhile."""
        await asyncio.sleep(seconds)
        return seconds

    @staticmethod
    def block(seconds: float) -> float:
        """Wait, and let everything in this process wait too."""
        time.sleep(seconds)
        return seconds

    @staticmethod
    def fail(message: str) -> NoReturn:
        """An error that the task means."""
        raise ValueError(message)

    @staticmethod
    def throw() -> NoReturn:
        """An error that nobody expects."""
        raise RuntimeError("thrown on purpose")

    @staticmethod
    def crash() -> NoReturn:
        """The end of this process."""
        os._exit(7)

    @staticmethod
    def hang() -> NoReturn:
        """A process that listens to nobody any more, its master included."""
        while True:
            pass

    @staticmethod
    def counters() -> dict[str, int]:
        """What this process has counted."""
        names = ("connections", "messages", "buffer_full", "buffer_drain", "send_fail")
        return {name: getattr(statistics, name) for name in names}

    @staticmethod
    async def send_mail(to: str, subject: str, body: str) -> dict[str, str]:
        """Append one line to OUTBOX: a single write, so that processes never mix theirs."""
        await asyncio.sleep(0.01)
        line = json.dumps({"to": to, "subject": subject, "body": body}) + "\n"
        with open(os.environ["OUTBOX"], "ab", buffering=0) as outbox:
            outbox.write(line.encode())
        return {"accepted": to}


class Relay:
    """A WebSocket service that hands requests to task workers, and answers `ping` whatever is in flight."""

    def __init__(self, worker: Worker, address: str) -> None:
        self.address = address
        self.calls: set[asyncio.Task[None]] = set()
        worker.on_worker_start = self.start
        worker.on_worker_drain = lambda worker: self.dispatcher.hurry(1.0)
        worker.on_message = self.message

    def start(self, worker: Worker) -> None:
        """Each process has a dispatcher of its own."""
        self.dispatcher = Dispatcher(self.address)

    def message(self, connection: TcpConnection, message: str | bytes) -> None:
        """Answer `ping` at once; anything else is a request that is answered when its reply comes."""
        if message in ("ping", b"ping"):
            connection.send("pong")
            return
        connection.hold()
        call = asyncio.get_running_loop().create_task(self.pass_on(connection, message))
        self.calls.add(call)
        call.add_done_callback(self.calls.discard)

    async def pass_on(self, connection: TcpConnection, message: str | bytes) -> None:
        """One request and its reply."""
        request: dict[str, Any] = {}
        try:
            request = parsed(message)
            reply = {"result": await self.dispatcher.request(request["function"], request.get("args", {}))}
        except (TaskError, ValueError) as problem:
            kind = getattr(problem, "type", type(problem).__name__)
            reply = {"error": {"type": kind, "message": str(problem)}}
        connection.send(json.dumps(({"id": request["id"]} if "id" in request else {}) | reply))
        connection.release()


def parsed(message: str | bytes) -> dict[str, Any]:
    """A task request. Raises ValueError for what is none."""
    request = json.loads(message)
    if not isinstance(request, dict) or not isinstance(request.get("function"), str):
        raise ValueError('a request is {"function": NAME, "args": {...}, "id": ANY}')
    return request


def probe_ports() -> dict[str, str]:
    """The ports of the probe's services, by protocol."""
    given = {name: os.environ.get(f"PORT_PROBE_{name.upper()}") for name in PROBES}
    return {name: port for name, port in given.items() if port}


def offer_echoes(port: dict[str, str | None], certificate: dict[str, Any]) -> None:
    """The services that send back what comes: one line for each way to say it."""
    echoes: dict[str, tuple[str, dict[str, Any]]] = {
        **{name: (name, {"count": 2}) for name in ("tcp", "text", "frame", "websocket")},
        "udp": ("udp", {"count": 2}),
        "tls": ("text", {"transport": "ssl", "context": certificate}),
        "wss": ("websocket", {"transport": "ssl", "context": certificate}),
        "custom": ("tcp", {"protocol": LengthByte}),
    }
    for name, (scheme, options) in echoes.items():
        if port[name]:
            careful(Worker(f"{scheme}://{HOST}:{port[name]}", name=name, on_message=echo, **options))
    if path := os.environ.get("UNIX_PATH"):
        careful(Worker(f"text://{path}", transport="unix", name="unix", count=2, on_message=echo))


def offer_http(port: dict[str, str | None], certificate: dict[str, Any]) -> None:
    """The routes of `testee_http.py`, in the clear and over TLS."""
    common: dict[str, Any] = {"limits": testee_http.limits(), "sessions": testee_http.sessions()}
    common |= {"on_message": testee_http.serve, "on_body": testee_http.take}
    for name, options in (("http", {"count": 2}), ("https", {"transport": "ssl", "context": certificate})):
        if port[name]:
            address = f"http://{HOST}:{port[name]}"
            Worker(address, name=name, **common, **options)


PRODUCE = re.compile(rb"produce (\d{1,15})")
PAUSE = re.compile(rb"pause (\d{1,6}(?:\.\d{1,6})?)")
CHUNK = b"x" * 65536


async def flow(connection: TcpConnection, message: bytes) -> None:
    """`produce N` and `pause S`; an echo for everything else. Whoever does not read is not read."""
    if match := PRODUCE.fullmatch(message):
        await produce(connection, int(match[1]))
    elif match := PAUSE.fullmatch(message):
        connection.pause_recv()
        Timer.delay(float(match[1]), connection.resume_recv)
    else:
        connection.send(message)
        await connection.drain()


async def produce(connection: TcpConnection, size: int) -> None:
    """So many bytes, and never more of them in memory than the send buffer may hold."""
    while size > 0:
        connection.send(CHUNK[:size], raw=True)
        size -= len(CHUNK)
        await connection.drain()
    connection.send(b"")


def auth(connection: TcpConnection, message: bytes) -> None:
    """`login` first, and within a second; then an echo."""
    if connection.confirmed:
        connection.send(message)
    elif message == b"login":
        connection.confirm()
        connection.send(b"welcome")
    else:
        connection.close()


def pipe_to(address: str) -> Callable[[TcpConnection], None]:
    """What a connection does first: it is piped both ways to an address."""

    def proxy(connection: TcpConnection) -> None:
        backend = AsyncTcpConnection(address)
        connection.pipe(backend)
        backend.pipe(connection)
        backend.connect()

    return proxy


def offer_flow(port: dict[str, str | None]) -> None:
    """The services about time and speed, where their ports are given."""
    if port["pipe"] and port["tcp"]:
        proxy = pipe_to(f"tcp://{HOST}:{port['tcp']}")
        Worker(f"tcp://{HOST}:{port['pipe']}", name="pipe", on_connect=proxy)
    if port["flow"]:
        Worker(f"text://{HOST}:{port['flow']}", name="flow", on_message=flow)
    if port["auth"]:
        careful(Worker(f"text://{HOST}:{port['auth']}", name="auth", on_message=auth, auth_timeout=1.0))
    if port["heartbeat"]:
        address = f"text://{HOST}:{port['heartbeat']}"
        worker = Worker(address, name="heartbeat", on_message=echo, idle_timeout=2.0, life="messages")
        careful(worker)


def main() -> None:
    """Offer every service whose port is given, and obey the command line."""
    port = {name: os.environ.get(f"PORT_{name.upper()}") for name in SERVICES}
    if limit := os.environ.get("MAX_PACKAGE_SIZE"):
        TcpConnection.default_max_package_size = int(limit)
    certificate = {"ssl": {"local_cert": os.environ.get("CERT"), "local_pk": os.environ.get("KEY")}}
    offer_echoes(port, certificate)
    offer_http(port, certificate)
    tasks = f"text://{HOST}:{port['task']}"
    if port["task"]:
        Tasks(TaskWorker(tasks, name="task", count=4, slots=100))
    if port["task"] and port["relay"]:
        Relay(Worker(f"websocket://{HOST}:{port['relay']}", name="relay"), tasks)
    if probes := probe_ports():
        ProbeService(probes)
    offer_flow(port)
    run_all(pid_file=os.environ.get("PID_FILE"), log_file=os.environ.get("LOG_FILE"))


if __name__ == "__main__":
    main()
