"""Tasks on the wire: one JSON object in a line, over the text protocol. Pure: no I/O.

    {"function": NAME, "args": {...} or [...], "id": ANY}                        a request
    {"id": same, "result": ...}                                                  its reply
    {"id": same, "error": {"type": T, "message": M}}                             or this one
    {"hello": {}}                                                                who is there?
    {"hello": {"concurrency": N, "pid": P, "functions": [...]}}                  a process that has a slot
    {"goodbye": {}}                                                                the end of this connection

Requests with an `id` run side by side, and are answered in the order in which they end. Requests without one
run one after the other, and are answered in their own order (TASK-001).

A hello is answered by the process that has accepted the connection, so the answer says more than a connection
that stands: that may still wait in the listening queue. A worker says goodbye, to those that said hello, when
it has answered every request that it has begun; what is unanswered then may be sent elsewhere.
"""

import json
from typing import Any, NoReturn

Identity = dict[str, Any]
"""`{"id": ANY}`, or empty: a request without `id` and one with `"id": null` are two things."""

LONGEST_MESSAGE = 100_000
"""Characters of an error's message: it explains, and carries no data that could burst the client's limit."""

GOODBYE = b'{"goodbye":{}}\n'
HELLO = b'{"hello":{}}\n'

UNSENDABLE = (TypeError, ValueError, RecursionError)
"""What encoding raises: no JSON type, NaN or a circle, nested too deeply."""


class Refusal(Exception):
    """A request that cannot be carried out, as the caller is told: type and message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Request:
    """A line that a client sent. `function` is None for a hello; `refusal` tells what is wrong with it."""

    __slots__ = ("args", "function", "identity", "refusal")

    def __init__(self, identity: Identity, function: str | None, args: Any, refusal: Refusal | None) -> None:
        self.identity, self.function, self.args, self.refusal = identity, function, args, refusal


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def encode(value: Any) -> bytes:
    """A line, its LF included. All ASCII, so that every str can be sent. Raises what UNSENDABLE names."""
    return (_encode(value) + "\n").encode()


def decode(line: bytes) -> dict[str, Any]:
    """The object in a line. Raises ValueError."""
    try:
        value = _decode(line.decode())
    except RecursionError:
        raise ValueError("no JSON: nested too deeply") from None
    except ValueError as problem:
        raise ValueError(f"no JSON: {problem}") from None
    if not isinstance(value, dict):
        raise ValueError(f"an object is needed, not {_excerpt(line)}")
    return value


def _excerpt(line: bytes) -> str:
    text = line[:40].decode(errors="replace")
    return text if len(line) <= 40 else f"{text}…"


# -- requests ------------------------------------------------------------------------------------------


def request(function: str, args: Any, identity: int) -> bytes:
    """A request's line. Raises what UNSENDABLE names."""
    return encode({"function": function, "args": args, "id": identity})


def parse_request(line: bytes) -> Request:
    """What a client's line asks for. Raises nothing: a bad request knows its refusal, and keeps its id."""
    try:
        fields = decode(line)
    except ValueError as problem:
        return Request({}, None, None, Refusal("InvalidRequest", f"no request: {problem}"))
    function, args = fields.get("function"), fields.get("args", ())
    if "function" not in fields and "hello" in fields:
        return Request({}, None, None, None)
    identity = {"id": fields["id"]} if "id" in fields else {}
    return Request(identity, function, args, _fault(function, args, identity))


def _fault(function: Any, args: Any, identity: Identity) -> Refusal | None:
    if not isinstance(function, str):
        return Refusal("InvalidRequest", 'a request is {"function": NAME, "args": {...} or [...], "id": ANY}')
    if not isinstance(args, (dict, list, tuple)):
        return Refusal("InvalidArguments", f"{function}: args is a JSON object or a JSON array")
    try:
        if identity and not isinstance(identity["id"], (int, str)):
            _encode(identity)  # 1e999 is an infinity to us, and has no form in JSON
    except UNSENDABLE:
        identity.clear()
        return Refusal("InvalidRequest", f"{function}: the id cannot be sent back")
    return None


# -- replies -------------------------------------------------------------------------------------------


def result(asked: Request, value: Any, limit: int) -> bytes:
    """The reply's line. Raises Refusal for a value that JSON cannot carry, or of more than `limit` bytes."""
    try:
        line = encode({**asked.identity, "result": value})
    except UNSENDABLE as problem:
        raise Refusal("InvalidResult", f"{asked.function}: JSON cannot carry the result: {problem}") from None
    if len(line) > limit:
        raise Refusal("InvalidResult", f"{asked.function}: the result has more than {limit} bytes")
    return line


def error(asked: Request, kind: str, message: str) -> bytes:
    """The reply's line."""
    return encode({**asked.identity, "error": {"type": kind, "message": message[:LONGEST_MESSAGE]}})


def hello(concurrency: int, pid: int, functions: list[str]) -> bytes:
    """The answer to a hello: how many requests may be in flight, the process, and what it can do."""
    return encode({"hello": {"concurrency": concurrency, "pid": pid, "functions": functions}})


def concurrency_of(reply: dict[str, Any]) -> int | None:
    """The number in an answer to a hello; None for anything else."""
    greeting = reply.get("hello")
    number = greeting.get("concurrency") if isinstance(greeting, dict) else None
    return number if isinstance(number, int) and number >= 1 else None


def error_of(reply: dict[str, Any]) -> tuple[str, str] | None:
    """Message and type of an error reply; None for a result."""
    if "result" in reply:
        return None
    problem = reply.get("error")
    if not isinstance(problem, dict):
        return f"the reply has neither result nor error: {_excerpt(_encode(reply).encode())}", "InvalidReply"
    return str(problem.get("message", "")), str(problem.get("type", "Error"))
