"""The control socket: how `stop` and `status` talk with a running master.

A Unix socket beside the pid file, mode 0600: only its owner (and root) may connect. Requests and answers are
JSON objects, one a line: `{"command": "status"}`. Whatever a client sends, says too slowly or never reads, it
harms only its own session.
"""

import os
import selectors
import socket
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from refworker.supervisor.agenda import Agenda
from refworker.supervisor.channel import Channel, Message, MessageError

MAX_REQUEST = 4096
"""Bytes of one request."""

MAX_SESSIONS = 32
"""Open sessions; one more is refused, so that the master keeps its descriptors for its processes."""

SILENCE = 5.0
"""Seconds a client may take from connecting to its first request."""

RETRY_ACCEPT = 0.5
"""Seconds until `accept` is tried again when the master has run out of descriptors."""

PATH_LIMIT = 100
"""Bytes that fit into a Unix address everywhere (108 on Linux, 104 elsewhere, with some room)."""


class ControlError(OSError):
    """The socket cannot be opened; the message says why and what to do."""


class Session:
    """One client, to which answers are sent as they become known."""

    def __init__(self, channel: Channel, server: "ControlServer") -> None:
        self.channel, self._server = channel, server
        self.request: Message | None = None
        """What it has asked and not been told yet."""
        self._silence = server.agenda.later(SILENCE, self.close)
        server.selector.register(channel, selectors.EVENT_READ, self._ready)

    def taken(self, request: Message) -> None:
        """It has said something: from now on it may take its time."""
        self._silence.cancel()
        self.request = request

    def reply(self, message: Message) -> None:
        """Send an answer; what the client does not read at once follows when it does."""
        self.request = None
        if self.channel.fileno() >= 0 and not self.channel.send(message):
            self.close()  # it asks and asks and does not read
        self._watch()

    def close(self) -> None:
        """End the session; harmless when it has ended."""
        if self.channel.fileno() >= 0:
            self._silence.cancel()
            self._server.selector.unregister(self.channel)
            self._server.sessions.discard(self)
            self.channel.close()

    def leave_open(self) -> None:
        """Forget the descriptor without closing it: its end then tells the client that the process, not only
        the session, is gone.
        """
        self._server.selector.unregister(self.channel)
        self.channel.sock.detach()

    def _watch(self) -> None:
        if self.channel.fileno() >= 0:
            writing = 0 if self.channel.flush() else selectors.EVENT_WRITE
            self._server.selector.modify(self.channel, selectors.EVENT_READ | writing, self._ready)

    def _ready(self, mask: int) -> None:
        if mask & selectors.EVENT_READ and self.channel.fileno() >= 0:
            self._read()
        self._watch()

    def _read(self) -> None:
        try:
            for request in self.channel.receive():
                self._server.obey(self, request)
        except EOFError:
            self.close()
        except MessageError as problem:
            self.reply({"error": str(problem)})
            self.close()


Command = Callable[[Session, Message], None]


class ControlServer:
    """Listens on `path` and passes each known command to its function."""

    def __init__(
        self,
        path: Path,
        commands: Mapping[str, Command],
        selector: selectors.BaseSelector,
        agenda: Agenda,
        inherited: int = -1,
    ) -> None:
        """Open the socket, unless its descriptor is `inherited`. Raises ControlError. The caller holds the
        lock of the service, so a socket file that nobody listens on is a dead predecessor's.
        """
        self.path, self.selector, self.agenda = path, selector, agenda
        self._commands = commands
        self.sessions: set[Session] = set()
        self._listener = opened(path) if inherited < 0 else socket.socket(fileno=inherited)
        self._listen()

    def obey(self, session: Session, request: Message) -> None:
        """Pass a request on, or say what is wrong with it."""
        name = request.get("command")
        command = self._commands.get(name) if isinstance(name, str) else None
        session.taken(request)
        if command:
            command(session, request)
        else:
            known = ", ".join(self._commands)
            session.reply({"error": f"unknown command {str(name)[:40]!r}; known are {known}"})

    def fileno(self) -> int:
        """Where it listens."""
        return self._listener.fileno()

    def bequeath(self) -> list[Message]:
        """The open sessions and what they wait for, for the next self of this process."""
        return [
            {"descriptor": session.channel.fileno(), "request": session.request} for session in self.sessions
        ]

    def resume(self, rows: Iterable[Message], waiting: str) -> list[Session]:
        """Go on with the sessions of a former self: ask again what they wait for. Returns those that wait for
        the end of the command `waiting`, which is not asked again.
        """
        held = []
        for row in rows:
            session = Session(Channel(socket.socket(fileno=row["descriptor"]), MAX_REQUEST), self)
            self.sessions.add(session)
            request = row["request"]
            if request and request["command"] == waiting:
                session.taken(request)
                held.append(session)
            elif request:
                self.obey(session, request)
        return held

    def close(self) -> None:
        """Remove the socket. Sessions stay open to the very end of the process."""
        self.path.unlink(missing_ok=True)
        self._listener.close()
        for session in self.sessions:
            session.leave_open()

    def abandon(self) -> None:
        """In a forked child: close every descriptor, leave the file."""
        self._listener.close()
        for session in self.sessions:
            session.channel.close()

    def _listen(self) -> None:
        self.selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self, mask: int) -> None:
        try:
            accepted, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):  # it left again
            return
        except OSError:  # no descriptor is left: looking again at once would only keep the master busy
            self.selector.unregister(self._listener)
            self.agenda.later(RETRY_ACCEPT, self._listen)
            return
        self._admit(Channel(accepted, MAX_REQUEST))

    def _admit(self, channel: Channel) -> None:
        if len(self.sessions) < MAX_SESSIONS:
            self.sessions.add(Session(channel, self))
        else:
            channel.send({"error": f"{MAX_SESSIONS} sessions are open; try again later"})
            channel.close()


def opened(path: Path) -> socket.socket:
    """A listening socket at `path`, for its owner only. Raises ControlError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        with short(path) as name, _umask(0o177):
            listener.bind(name)
        listener.listen(MAX_SESSIONS)
    except OSError as problem:
        listener.close()
        reason = problem.strerror or str(problem)
        raise ControlError(f"cannot open the control socket {path}: {reason}") from problem
    listener.setblocking(False)
    return listener


def connect(path: Path, timeout: float) -> Channel:
    """A conversation with the master that listens at `path`. Raises OSError: FileNotFoundError and
    ConnectionRefusedError where there is none, PermissionError where it is another user's.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        with short(path) as name:
            sock.connect(name)
    except OSError:
        sock.close()
        raise
    return Channel(sock)


@contextmanager
def short(path: Path) -> Iterator[str]:
    """A name of `path` that fits into a Unix address: where the path is too long, by way of its open folder
    (Linux).
    """
    if len(os.fsencode(path)) <= PATH_LIMIT:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _remove_stale(path: Path) -> None:
    """Remove a socket file on which nobody listens. Raises OSError for any other file, and for a socket that
    is in use (its service has lost its pid file).
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError("there is a file of that name that is no socket; move it away")
    try:
        connect(path, timeout=1.0).close()
    except ConnectionRefusedError:
        path.unlink()
    else:
        raise OSError("a running service listens there; stop it first")
