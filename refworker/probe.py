"""The probe of the testee: connections that do what they are told, and a log of their callbacks.

`ProbeService` is one process with a listener for each protocol. A message that is a JSON object with `do`
acts on its own connection; `probe.control` answers `{"result": VALUE}` or `{"error": {"type", "message"}}`.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from refworker import AsyncTcpConnection, TcpConnection, Timer, UdpConnection, Worker, statistics

COUNTERS = ("connections", "messages", "buffer_full", "buffer_drain", "send_fail")
SETTINGS = ("max_send_buffer_size", "max_package_size", "id")
OPTIONS = ("local_address", "proxy_http", "proxy_socks5", "proxy_authorization")

Event = tuple[float, str, int | None, Any]


class Log:
    """What the callbacks were called with: `[time, callback, connection id, detail]`."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, callback: str, connection: TcpConnection | None, detail: Any = None) -> None:
        """Note one callback."""
        self.events.append((time.monotonic(), callback, connection.id if connection else None, detail))

    def taken(self) -> list[Event]:
        """All events, which are forgotten with this."""
        events, self.events = self.events, []
        return events

    def connected(self, connection: TcpConnection) -> None:
        """Note that a connection stands, and with whom."""
        self.add("connect", connection, connection.get_remote_address())

    def closed(self, connection: TcpConnection) -> None:
        """Note that a connection is gone, and its status."""
        self.add("close", connection, int(connection.status))

    def listen_to(self, source: Any) -> None:
        """Note the callbacks of a worker or connection, except its messages."""
        source.on_connect = self.connected
        source.on_close = self.closed
        source.on_error = lambda c, code, reason: self.add("error", c, [code, reason])
        source.on_buffer_full = lambda c: self.add("buffer_full", c, c.get_send_buffer_queue_size())
        source.on_buffer_drain = lambda c: self.add("buffer_drain", c)
        source.on_websocket_close = lambda c, code, reason: self.add("websocket_close", c, [code, reason])
        source.on_websocket_pong = lambda c, payload: self.add("websocket_pong", c, spelled(payload))


class Verbs:
    """What a connection of the probe can be told to do."""

    def message(self, connection: TcpConnection, message: Any) -> None:
        """Obey a verb, echo anything else."""
        request = as_request(message)
        verb: Callable[..., None] | None = getattr(self, f"do_{request.pop('do')}", None) if request else None
        if verb:
            verb(connection, **request)
        else:
            connection.send(message)

    def do_info(self, connection: TcpConnection) -> None:
        """What the connection says of itself."""
        connection.send(json.dumps(info(connection)))

    def do_set(self, connection: TcpConnection, **settings: Any) -> None:
        """Change limits or the id."""
        for name in settings.keys() & set(SETTINGS):
            setattr(connection, name, settings[name])
        self.do_info(connection)

    def do_send(self, connection: TcpConnection, value: Any, n: int = 1) -> None:
        """Send a value n times, then the list of what `send` returned."""
        connection.send(json.dumps([connection.send(value) for _ in range(n)]))

    def do_raw(self, connection: TcpConnection, value: str) -> None:
        """Send text without framing."""
        connection.send(value, raw=True)

    def do_close(self, connection: TcpConnection, data: Any = None) -> None:
        """The connection's close."""
        connection.close(data)

    def do_end(self, connection: TcpConnection, data: Any = None) -> None:
        """The connection's end."""
        connection.end(data)

    def do_destroy(self, connection: TcpConnection) -> None:
        """The connection's destroy."""
        connection.destroy()

    def do_pause(self, connection: TcpConnection, seconds: float) -> None:
        """Handle nothing for a while."""
        connection.pause_recv()
        Timer.delay(seconds, connection.resume_recv)

    def do_later(self, connection: TcpConnection, seconds: float, value: Any) -> None:
        """Send from a timer."""
        Timer.delay(seconds, connection.send, (value,))

    def do_protocol(self, connection: TcpConnection, name: str) -> None:
        """Speak another protocol from now on."""
        connection.protocol = name
        connection.send("switched")

    def do_ping(self, connection: TcpConnection, payload: str = "") -> None:
        """A WebSocket's ping."""
        connection.ping(payload.encode())

    def do_throw(self, connection: TcpConnection) -> None:
        """An exception in a callback."""
        raise RuntimeError("thrown on purpose")


class Clients:
    """Outgoing connections of the probe."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def open(
        self, address: str, send: list[Any] | None = None, options: dict[str, Any] | None = None
    ) -> dict[str, int]:
        """Connect, with messages that are sent early; `options` may have `greeting` (sent from on_connect),
        `reconnect` (seconds, once), and the arguments of the connection.
        """
        options = options or {}
        arguments = {name: options[name] for name in OPTIONS if name in options}
        connection = AsyncTcpConnection(address, **arguments)
        self.log.listen_to(connection)
        connection.on_message = lambda c, message: self.log.add("message", c, spelled(message))
        connection.on_connect = lambda c: self.connected(c, options.get("greeting"))
        connection.on_close = lambda c: self.closed(c, options.pop("reconnect", None))
        for message in send or ():
            connection.send(message)
        connection.connect()
        return {"id": connection.id}

    def connected(self, connection: AsyncTcpConnection, greeting: Any) -> None:
        """The connection stands."""
        self.log.connected(connection)
        if greeting is not None:
            connection.send(greeting)

    def closed(self, connection: AsyncTcpConnection, delay: float | None) -> None:
        """The connection is gone."""
        self.log.closed(connection)
        if delay is not None:
            Timer.delay(delay, connection.connect)


class ProbeService:
    """One process with all services of the probe. `ports` are by service: control, text, websocket, tcp."""

    def __init__(self, ports: dict[str, str], host: str = "127.0.0.1") -> None:
        self.ports, self.host = ports, host
        self.log, self.verbs = Log(), Verbs()
        self.clients = Clients(self.log)
        self.worker = Worker(name="probe")
        self.worker.on_worker_start = self.start

    def start(self, worker: Worker) -> None:
        """Listen in this process: `reuse_port` lets the next one begin before this one ends."""
        for name, port in self.ports.items():
            scheme = "text" if name == "control" else name
            service = Worker(f"{scheme}://{self.host}:{port}", name=f"probe.{name}", reuse_port=True)
            service.on_message = self.control if name == "control" else self.message
            if name != "control":
                self.log.listen_to(service)
            service.listen()

    def message(self, connection: TcpConnection, message: Any) -> None:
        """A message to one of the probe's connections."""
        self.log.add("message", connection, spelled(message))
        self.verbs.message(connection, message)

    def datagram(self, connection: UdpConnection, message: bytes) -> None:
        """Close the datagram's connection where it says so, echo it otherwise."""
        request = as_request(message)
        if request.get("do") == "close":
            connection.close(request.get("data"))
        else:
            connection.send(message)

    def control(self, connection: TcpConnection, message: bytes) -> None:
        """One request, one reply."""
        try:
            reply = {"result": self.answer(**as_request(message))}
        except Exception as problem:
            reply = {"error": {"type": type(problem).__name__, "message": str(problem)}}
        connection.send(json.dumps(reply))

    def answer(self, do: str = "", **more: Any) -> Any:
        """The result of a request. Raises what is wrong with it."""
        if do == "events":
            return self.log.taken()
        if do == "counters":
            return {name: getattr(statistics, name) for name in COUNTERS}
        if do == "client":
            return self.clients.open(**more)
        if do == "listen":
            return self.listen(**more)
        raise ValueError(f"do is events, counters, client or listen, not {do!r}")

    def listen(self, address: str) -> dict[str, int]:
        """One more place for connections of the probe, in this process."""
        service = Worker(address, name="probe.more", on_message=self.message)
        if service.transport == "udp":
            service.on_message = self.datagram
        else:
            self.log.listen_to(service)
        service.listen()
        return {"port": service.port}


def as_request(message: Any) -> dict[str, Any]:
    """The JSON object of a message, or an empty one for anything else."""
    try:
        request = json.loads(message)
    except ValueError:
        return {}
    return request if isinstance(request, dict) and "do" in request else {}


def spelled(message: Any) -> str:
    """A message as text."""
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)


def info(connection: TcpConnection) -> dict[str, Any]:
    """What a connection says of itself."""
    return {
        "id": connection.id,
        "status": int(connection.status),
        "remote_ip": connection.get_remote_ip(),
        "remote_port": connection.get_remote_port(),
        "remote_address": connection.get_remote_address(),
        "local_ip": connection.get_local_ip(),
        "local_port": connection.get_local_port(),
        "local_address": connection.get_local_address(),
        "bytes_read": connection.bytes_read,
        "bytes_written": connection.bytes_written,
        "max_send_buffer_size": connection.max_send_buffer_size,
        "max_package_size": connection.max_package_size,
    }
