"""What each client of live traffic does: which requests, how many at once, on what kind of connection.

A `Habit` is data; `Topic` makes its requests and reads the answers. Every request differs from all others of
its client, so that an answer that is lost, repeated, late or somebody else's is told from the one due.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from conformance.traffic.speech import STATUS

JSON_SERVICES = frozenset({"task", "relay"})
ROUTES = ("GET /", "GET /sleep", "POST /echo")
"""HTTP routes that traffic can use; `GET /` is there in every fit target."""


@dataclass(frozen=True)
class Habit:
    """How one client behaves. Times in seconds.

    `burst` requests leave in one segment; with `fresh` every burst has a connection of its own; `half` is the
    time between the two halves of a message; `pause` the time between an answer and the next request. An
    `idle` client exchanges one message and then waits, for ever.
    """

    service: str
    topic: str = "echo"
    seconds: float = 0.0
    burst: int = 1
    fresh: bool = False
    half: float = 0.0
    pause: float = 0.03
    idle: bool = False

    @property
    def name(self) -> str:
        """For reports: `text, pipelined`."""
        ways = {
            "new connections": self.fresh,
            "pipelined": self.burst > 1,
            "in halves": self.half,
            "idle": self.idle,
        }
        named = [way for way, applies in ways.items() if applies]
        topic = f"{self.topic} {self.seconds:g}" if self.seconds else self.topic
        return ", ".join([self.service, *([topic] if self.topic != "echo" else []), *named])


@dataclass(frozen=True)
class Ask:
    """One request: the message, what tells its answer from others (`key`), and how long it takes."""

    message: bytes
    key: str
    takes: float = 0.0


@dataclass(frozen=True)
class Heard:
    """An answer: whose it is (None: that of the oldest request), whether it is right, and who says so.

    `failed`: it is an error that the protocol has words for.
    """

    key: str | None
    right: bool = True
    by: str = ""
    failed: bool = False


class Topic:
    """Echoes: the answer is the message."""

    ordered = True

    def __init__(self, habit: Habit, lane: int) -> None:
        self.habit = habit
        self.lane = lane

    def ask(self, number: int) -> Ask:
        """The request of this number."""
        message = f"{self.lane}.{number}"
        return Ask(message.encode(), message)

    def read(self, message: bytes) -> Heard:
        """What an answer says."""
        return Heard(message.decode(errors="replace"))


class Call(Topic):
    """Task functions, known by their `id`, so that answers may come in any order."""

    ordered = False

    def ask(self, number: int) -> Ask:
        """A call of the function that the habit names."""
        name = self.habit.topic
        args = {"echo": {"value": number}, "sleep": {"seconds": self.habit.seconds}}.get(name, {})
        request = {"function": name, "args": args, "id": f"{self.lane}.{number}"}
        return Ask(json.dumps(request).encode(), f"{self.lane}.{number}", self.habit.seconds)

    def read(self, message: bytes) -> Heard:
        """The id, and from `version` and `worker` who has answered."""
        try:
            reply = json.loads(message)
            if "error" in reply:
                return Heard(reply["id"], failed=True)
            key, result = reply["id"], reply["result"]
        except (ValueError, KeyError, TypeError):
            return Heard(None, right=False)
        return Heard(key, self._is_right(key, result), self._by(result))

    def _is_right(self, key: object, result: object) -> bool:
        kind = {"worker": dict, "version": str}.get(self.habit.topic)
        if kind:
            return isinstance(result, kind)
        due = self.habit.seconds if self.habit.topic == "sleep" else int(str(key).rpartition(".")[2])
        return result == due

    def _by(self, result: object) -> str:
        if isinstance(result, dict):
            return str(result.get("pid", ""))
        return result if isinstance(result, str) and self.habit.topic == "version" else ""


class Route(Topic):
    """HTTP: the answers come in order, one at a time."""

    def ask(self, number: int) -> Ask:
        """A request of the route that the habit names."""
        body = f"{self.lane}.{number}"
        milliseconds = int(1000 * self.habit.seconds)
        message = {
            "echo": f"POST /echo\n{body}",
            "sleep": f"GET /sleep?ms={milliseconds}",
            "hello": "GET /",
        }[self.habit.topic]
        return Ask(message.encode(), str(number), self.habit.seconds)

    def read(self, message: bytes) -> Heard:
        """Right where it is the route's body; `POST /echo` also tells whose answer it is."""
        if message.startswith(STATUS):
            errs = message.startswith(STATUS + b" 5")
            return Heard(None, right=errs, failed=errs)
        if self.habit.topic == "echo":
            lane, _, number = message.decode(errors="replace").partition(".")
            return Heard(number, lane == str(self.lane))
        return Heard(None, message == {"sleep": b"slept", "hello": b"hello"}[self.habit.topic])


def topic(habit: Habit, lane: int) -> Topic:
    """What a client with this habit asks."""
    kind: Callable[[Habit, int], Topic] = Topic
    if habit.service in JSON_SERVICES:
        kind = Call
    elif habit.service == "http":
        kind = Route
    return kind(habit, lane)


# --- everyday life -----------------------------------------------------------------------------------------


def _echo(service: str, *, burst: int = 4) -> list[Habit]:
    """A client that stays, one that comes anew each time, one that is ahead of its answers."""
    return [Habit(service), Habit(service, fresh=True), Habit(service, burst=burst)]


def _slow(service: str) -> list[Habit]:
    """Requests that take a while, so many and so unlike that at any moment one of them is in flight."""
    return [
        Habit(service, "sleep", seconds, fresh=fresh, pause=0.01)
        for seconds, fresh in ((0.3, False), (0.3, True), (0.37, True), (0.46, True))
    ]


@dataclass(frozen=True)
class Patterns:
    """The habits of one service: quick ones, and those whose requests take a while."""

    quick: list[Habit]
    slow: list[Habit] = field(default_factory=list)


def _http(routes: Iterable[str]) -> Patterns:
    quick = [Habit("http", "hello"), Habit("http", "hello"), Habit("http", "hello", fresh=True)]
    echo = [Habit("http", "echo"), Habit("http", "echo", fresh=True)] if "POST /echo" in routes else []
    slow = _slow("http")
    return Patterns(quick + echo, slow if "GET /sleep" in routes else [])


EVERYDAY: Mapping[str, Patterns] = {
    "tcp": Patterns([Habit("tcp"), Habit("tcp", fresh=True)]),
    "text": Patterns(
        [*_echo("text"), Habit("text", half=0.05), Habit("text", idle=True)],
    ),
    "unix": Patterns([Habit("unix"), Habit("unix", fresh=True)]),
    "frame": Patterns([*_echo("frame"), Habit("frame", half=0.05)]),
    "custom": Patterns([Habit("custom"), Habit("custom", fresh=True)]),
    "websocket": Patterns([*_echo("websocket"), Habit("websocket", idle=True)]),
    "task": Patterns(
        [Habit("task"), Habit("task", fresh=True), Habit("task", "version", fresh=True)],
        _slow("task"),
    ),
    "relay": Patterns([Habit("relay")], _slow("relay")[1:3]),
}
"""By service: few clients each, so that a whole target has about two dozen."""


def everyday(services: Iterable[str], routes: Iterable[str] = (), *, slow: bool = True) -> list[Habit]:
    """The clients of a target that offers these services, and of its `http` these routes."""
    known = {**EVERYDAY, "http": _http(routes)}
    patterns = [known[service] for service in services if service in known]
    return [habit for p in patterns for habit in (*p.quick, *(p.slow if slow else []))]
