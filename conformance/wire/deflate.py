"""permessage-deflate (RFC 7692) from the client's side: what was agreed on, messages out, strict messages in.

A message is one stretch of a DEFLATE stream. With context takeover its references may go back into the
messages before it, so all that a connection has to remember is a window: the last bytes of the content that
went one way. Everything else here is a function of a window and a message.

Bits of zlib do the arithmetic. What zlib forgives is judged here: references beyond the agreed window, a
message that ends inside a block, and what follows a block with the final bit.
"""

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from conformance.outcomes import Violation
from conformance.wire import blocks
from conformance.wire.blocks import TAIL
from conformance.wire.extensions import Extension, parse

NAME = "permessage-deflate"
FLAGS = ("server_no_context_takeover", "client_no_context_takeover")
WINDOWS = ("server_max_window_bits", "client_max_window_bits")

LARGEST = 15
"""Bits of the largest window, which is the one without a parameter (7.1.2)."""

WINDOW = 1 << LARGEST

MOST = 64 * 1024 * 1024
"""Bytes that a message of the target may inflate to: it answers what it was sent."""

_BITS = re.compile(r"[89]|1[0-5]")
_PROBE = b"at a block's beginning"


# --- negotiation -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """What both sides keep to (7.1). `client_max_window_bits` is also what the client has promised.

    Not `outspoken` is who was asked for a window of 15 bits, and agrees without a word: that is the default,
    but a server accepts the parameter "by including" it (7.1.2.1), and clients look for it.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = LARGEST
    client_max_window_bits: int = LARGEST
    outspoken: bool = True


def agreed(offers: str, answers: Sequence[str]) -> Agreement | None:
    """What the answer to these offers means; None where the extension was declined.

    `offers` is the client's list, `answers` are the fields of the response. Raises Violation `wrong-answer`
    for an answer that a client has to fail the connection for (RFC 6455, 9.1 and 11.3.2; RFC 7692, 7.1).
    """
    if not answers:
        return None
    try:
        answer = _terms(_only(answers), open_window=False)
        complaints = []
        for offer in acceptable(offers):
            if not (complaint := _beyond(answer, offer)):
                return _agreement(answer, offer)
            complaints.append(complaint)
    except ValueError as problem:
        raise Violation("wrong-answer", f"Sec-WebSocket-Extensions: {problem}") from problem
    raise Violation("wrong-answer", f"{answers[0]!r} answers no offer: {'; '.join(complaints) or 'none was'}")


def acceptable(offers: str) -> list[Mapping[str, int]]:
    """The terms of those offers that a server may accept: known names, each once, legal values (7.1)."""
    found = []
    for extension in parse(offers) if offers else []:
        try:
            found.append(_terms(extension, open_window=True))
        except ValueError:
            continue
    return found


def _only(answers: Sequence[str]) -> Extension:
    if len(answers) > 1:
        raise ValueError("a response has the field once (RFC 6455, 11.3.2)")
    extension, *more = parse(answers[0])
    if more:
        raise ValueError("more than one extension was agreed to")
    return extension


def _terms(extension: Extension, *, open_window: bool) -> Mapping[str, int]:
    """The parameters as numbers: 1 for a flag, bits for a window, 0 for one that an offer leaves open."""
    if extension.name != NAME:
        raise ValueError(f"{extension.name} was not offered")
    terms: dict[str, int] = {}
    for name, value in extension.parameters:
        if name in terms:
            raise ValueError(f"{name} stands twice")
        terms[name] = _term(name, value, open_window=open_window)
    return terms


def _term(name: str, value: str | None, *, open_window: bool) -> int:
    if name in FLAGS and value is None:
        return 1
    if name in WINDOWS and value is not None and _BITS.fullmatch(value):
        return int(value)
    if name == "client_max_window_bits" and value is None and open_window:
        return 0
    raise ValueError(f"{name if value is None else f'{name}={value}'} is no parameter of {NAME}")


def _beyond(answer: Mapping[str, int], offer: Mapping[str, int]) -> str:
    """Why the answer does not accept this offer (7.1.1, 7.1.2), or nothing."""
    takeover, ours, theirs = FLAGS[0], *WINDOWS[::-1]
    if takeover in offer and takeover not in answer:
        return f"{takeover} was asked for, and is not granted"
    if theirs in offer and answer.get(theirs, LARGEST) > offer[theirs]:
        return f"{theirs}={offer[theirs]} was asked for, and is not granted"
    if ours in answer and ours not in offer:
        return f"{ours} was not offered"
    return ""


def _agreement(answer: Mapping[str, int], offer: Mapping[str, int]) -> Agreement:
    theirs, ours = WINDOWS
    return Agreement(
        server_no_context_takeover=FLAGS[0] in answer,
        client_no_context_takeover=FLAGS[1] in answer,
        server_max_window_bits=answer.get(theirs, LARGEST),
        client_max_window_bits=min(answer.get(ours, LARGEST), offer.get(ours) or LARGEST),
        outspoken=theirs in answer or theirs not in offer,
    )


# --- messages --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """How a message is deflated: zlib's level and strategy, where a block is ended and with which flush, and
    whether the last block has the final bit (7.2.3.4).
    """

    level: int = 6
    strategy: int = zlib.Z_DEFAULT_STRATEGY
    cuts: tuple[int, ...] = ()
    flush: int = zlib.Z_SYNC_FLUSH
    final: bool = False

    def parts(self, message: bytes) -> Iterator[bytes]:
        """The message cut where blocks end."""
        edges = sorted({0, len(message), *(cut for cut in self.cuts if cut < len(message))})
        return (message[start:end] for start, end in pairwise(edges))


PLAIN = Recipe()


def deflate(message: bytes, window: bytes = b"", bits: int = LARGEST, recipe: Recipe = PLAIN) -> bytes:
    """The payload of a compressed message (7.2.1). It refers back at most `1 << bits` bytes, into `window`.

    zlib has no window of 8 bits; with 9 it goes back 250 bytes at most, which fits both.
    """
    stream = zlib.compressobj(
        recipe.level, zlib.DEFLATED, -max(9, bits), zlib.DEF_MEM_LEVEL, recipe.strategy, window
    )
    payload = b"".join(stream.compress(part) + stream.flush(recipe.flush) for part in recipe.parts(message))
    if recipe.final:
        return payload + stream.flush(zlib.Z_FINISH) + b"\0"
    return (payload + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def inflate(payload: bytes, window: bytes = b"", bits: int = LARGEST) -> bytes:
    """The message behind this payload (7.2.2). Raises ValueError for what is none."""
    data, message = payload + TAIL, b""
    while True:
        stream = zlib.decompressobj(-LARGEST, zdict=(window + message)[-WINDOW:])
        message += _inflated(stream, data)
        if not stream.eof:
            break
        data = stream.unused_data  # a final block ends zlib's stream, and not the message
    if not _is_between_blocks(stream):
        raise ValueError("the message ends inside a block")
    if bits < LARGEST and len(window) + len(message) > 1 << bits:  # else nothing is so far away
        _check_references(payload, 1 << bits)
    return message


def _check_references(payload: bytes, size: int) -> None:
    if (distance := blocks.farthest(payload)) > size:
        raise ValueError(f"a reference goes {distance} bytes back, the window has {size}")


def _is_between_blocks(stream: "zlib._Decompress") -> bool:
    """Whether a block may begin here: one of known content says so, and then the stream is of no more use."""
    try:
        return stream.decompress(blocks.stored(_PROBE)) == _PROBE
    except zlib.error:
        return False


def _inflated(stream: "zlib._Decompress", data: bytes) -> bytes:
    try:
        message = stream.decompress(data, MOST)
    except zlib.error as problem:
        raise ValueError(str(problem)) from problem
    if stream.unconsumed_tail:
        raise ValueError(f"more than {MOST} bytes")
    return message


class Deflate:
    """Our end of a connection that has agreed; remembers of each way what may still be referred to."""

    def __init__(self, agreement: Agreement) -> None:
        self.agreement = agreement
        self._sent = self._received = b""

    def deflate(self, message: bytes, recipe: Recipe = PLAIN) -> bytes:
        """The payload of our next message."""
        bits = self.agreement.client_max_window_bits
        payload = deflate(message, self._sent, bits, recipe)
        self.note(message)
        return payload

    def note(self, message: bytes) -> None:
        """Our next message was made by hand, and says this."""
        if not self.agreement.client_no_context_takeover:
            self._sent = (self._sent + message)[-WINDOW:]

    def restart(self) -> None:
        """Our next message refers to nothing, which is always allowed."""
        self._sent = b""

    def inflate(self, payload: bytes) -> bytes:
        """What the target's next message says. Raises Violation `wrong-answer`."""
        try:
            message = inflate(payload, self._received, self.agreement.server_max_window_bits)
        except ValueError as problem:
            raise Violation("wrong-answer", f"a message does not inflate (RFC 7692): {problem}") from problem
        if not self.agreement.server_no_context_takeover:
            self._received = (self._received + message)[-WINDOW:]
        return message
