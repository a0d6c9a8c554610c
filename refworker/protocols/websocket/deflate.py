"""permessage-deflate (RFC 7692): messages compressed one by one, each with those before it as its dictionary.

*Agreeing.* The client offers, the server answers with at most what was offered. Two pairs of parameters say,
for each direction, how far a compressor may look back (`…_max_window_bits`, a power of two) and whether it
forgets everything between messages (`…_no_context_takeover`). Both cost memory on both sides, so the defaults
of `Deflate` are small, and nothing is allocated before the first message that is compressed.

*Compressing.* Raw deflate up to a byte boundary, which always ends with the same four bytes; those are left
out (section 7.2.1). What is shorter than `threshold` goes as it is, and so does all where the peer wants a
window of 256 bytes, which zlib cannot make.

*Inflating.* In slices, as the bytes come, and never further than the limit of a message: a bomb costs what
the limit allows, and no more (section 8). A block may say that it is the last one of its stream (section
7.2.3.4); another stream follows, which may still refer to what the window holds, so its bytes are kept.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from refworker.protocols.websocket.extensions import Extension
from refworker.protocols.websocket.frames import NOT_UTF8, TOO_BIG, Failure

NAME = "permessage-deflate"

TAIL = b"\x00\x00\xff\xff"
"""What every message would end with (section 7.2.1)."""

LAST_BLOCK = b"\x03\x00"
"""An empty one, which ends a stream (RFC 1951 section 3.2.3)."""

WINDOWS = {str(bits): bits for bits in range(8, 16)}
"""How a window may be written: no zero in front (section 7.1.2)."""

LEAST_WINDOW, LARGEST_WINDOW = 9, 15
"""Bits that zlib can compress with, and look back for."""

SLICE = 64 * 1024
"""Bytes that are inflated at once, so that a bomb is noticed soon after the limit."""

FLAGS = frozenset({"server_no_context_takeover", "client_no_context_takeover"})
WINDOW_OF = {"server": "server_max_window_bits", "client": "client_max_window_bits"}


@dataclass(frozen=True, slots=True)
class Deflate:
    """How this side compresses, and what it asks of its peer.

    A compressor takes `2 ** (window_bits + 2) + 2 ** (memory_level + 9)` bytes, 32 KiB by default; what
    inflates takes twice `2 ** peer_window_bits`, and some. `context_takeover` False forgets both after each
    message. Raises ValueError for numbers that zlib does not have.
    """

    level: int = 1
    """1 is the fastest, 9 the smallest."""
    memory_level: int = 5
    """1 to 9."""
    threshold: int = 256
    """Bytes from which a message is compressed."""
    window_bits: int = 12
    """At most, of what this side compresses: 9 to 15."""
    peer_window_bits: int = 12
    """Asked of the peer, if it lets itself be asked: 9 to 15."""
    context_takeover: bool = True
    peer_context_takeover: bool = True

    def __post_init__(self) -> None:
        windows = dict.fromkeys(("window_bits", "peer_window_bits"), (LEAST_WINDOW, LARGEST_WINDOW))
        for name, (least, most) in {"level": (1, 9), "memory_level": (1, 9), **windows}.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"Deflate: {name} is {least} to {most}, not {getattr(self, name)}")


GRANTING = Deflate()
"""A server's."""

ASKING = Deflate(peer_window_bits=LARGEST_WINDOW)
"""A client's: it asks nothing of the server, but may be asked."""

Wish = Deflate | bool | None
"""What users say: these options, the usual ones (True), or no compression."""


def options_for(wish: Wish, usual: Deflate) -> Deflate | None:
    """What a wish means. Raises TypeError for what is none."""
    if wish is None or isinstance(wish, (bool, Deflate)):
        return usual if wish is True else wish or None
    raise TypeError(f"deflate is True, False or a Deflate(...), not {type(wish).__name__}")


class Agreement(NamedTuple):
    """What holds for one direction."""

    bits: int = LARGEST_WINDOW
    takeover: bool = True

    def within(self, bits: int, takeover: bool) -> "Agreement":
        """As much of it as these allow."""
        return Agreement(min(self.bits, bits), self.takeover and takeover)


def said_of(side: str, parameters: Mapping[str, str | None]) -> Agreement:
    """What an offer or an answer says of what this side compresses."""
    bits = WINDOWS[parameters.get(WINDOW_OF[side]) or str(LARGEST_WINDOW)]
    return Agreement(bits, f"{side}_no_context_takeover" not in parameters)


# -- the two handshakes --------------------------------------------------------------------------------


def answer(offers: Iterable[Extension], options: Deflate) -> "tuple[Extension, Deflation] | None":
    """A server's: the first offer that it can take up, None for none (sections 5.1 and 7.1)."""
    for offer in offers:
        asked = parameters(offer)
        if asked is not None:
            return _taken_up(asked, options)
    return None


def _taken_up(asked: dict[str, str | None], options: Deflate) -> "tuple[Extension, Deflation]":
    own = said_of("server", asked).within(options.window_bits, options.context_takeover)
    wanted = options.peer_window_bits if WINDOW_OF["client"] in asked else LARGEST_WINDOW
    peer = said_of("client", asked).within(wanted, options.peer_context_takeover)
    said = Extension(NAME, _spelled(asked, server=own, client=peer))
    return said, Deflation(options, own, peer)


def _spelled(asked: Mapping[str, str | None], **sides: Agreement) -> tuple[tuple[str, str | None], ...]:
    """What has to be said of the two directions: what is not the default, and what was asked for by value."""
    flags = [(f"{side}_no_context_takeover", None) for side, agreed in sides.items() if not agreed.takeover]
    windows = [
        (WINDOW_OF[side], str(agreed.bits))
        for side, agreed in sides.items()
        if agreed.bits < LARGEST_WINDOW or asked.get(WINDOW_OF[side])
    ]
    return (*flags, *windows)


def offer(options: Deflate) -> Extension:
    """A client's offer (section 7.1)."""
    asked = Agreement(options.peer_window_bits, options.peer_context_takeover)
    own = Agreement(takeover=options.context_takeover)
    return Extension(NAME, (*_spelled({}, server=asked, client=own), (WINDOW_OF["client"], None)))


def accept(answered: Extension, options: Deflate) -> "Deflation":
    """A client's: what the server has made of the offer. Raises ValueError where it was not offered."""
    agreed = parameters(answered)
    if agreed is None or agreed.get(WINDOW_OF["client"], "") is None:
        raise ValueError(f"{answered} is no answer to an offer of {NAME}")
    peer = said_of("server", agreed)
    if peer.bits > options.peer_window_bits or peer.takeover > options.peer_context_takeover:
        raise ValueError(f"{answered} is more than was offered")
    own = said_of("client", agreed).within(options.window_bits, options.context_takeover)
    return Deflation(options, own, peer)


def parameters(extension: Extension) -> dict[str, str | None] | None:
    """The parameters by name; None for another extension, and where one is unknown, stands twice, or has a
    value that it cannot have. Only the client's window may be without one, in an offer.
    """
    found = dict(extension.parameters)
    if extension.name != NAME or len(found) < len(extension.parameters):
        return None
    return found if all(_is_known(*parameter) for parameter in extension.parameters) else None


def _is_known(name: str, value: str | None) -> bool:
    if name in FLAGS:
        return value is None
    return name in WINDOW_OF.values() and (
        value in WINDOWS or (value is None and name == WINDOW_OF["client"])
    )


# -- the conversation ----------------------------------------------------------------------------------


class Deflation:
    """Both directions of one connection."""

    __slots__ = ("_compressor", "_inflater", "_options", "_own", "_past", "_peer", "_under_way")

    def __init__(self, options: Deflate, own: Agreement, peer: Agreement) -> None:
        self._options, self._own, self._peer = options, own, peer
        self._compressor: zlib._Compress | None = None
        self._inflater: zlib._Decompress | None = None
        self._past = b""  # the last bytes that were inflated, as many as the window holds
        self._under_way = False  # whether a stream has begun that the end of the message has to end

    @property
    def threshold(self) -> int:
        """Bytes from which a message is compressed."""
        return self._options.threshold

    def deflate(self, payload: bytes) -> bytes | None:
        """The payload compressed, None where it goes as it is."""
        if len(payload) < self.threshold or self._own.bits < LEAST_WINDOW:
            return None
        compressor = self._compressor or self._new_compressor()
        packed: bytes = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
        self._compressor = compressor if self._own.takeover else None
        return packed.removesuffix(TAIL)

    def _new_compressor(self) -> "zlib._Compress":
        options = self._options
        return zlib.compressobj(options.level, zlib.DEFLATED, -self._own.bits, options.memory_level)

    def inflate(self, data: bytes, room: int) -> Iterator[bytes]:
        """A piece of a message, inflated, in slices. Raises Failure for data that is not deflate, and for
        more than `room` bytes.
        """
        while data:
            part, data = self._step(data, min(room, SLICE) + 1)
            room -= len(part)
            if room < 0:
                raise Failure(TOO_BIG, "inflated, the message exceeds max_package_size", "7.4.1")
            if part:
                yield part

    def _step(self, data: bytes, most: int) -> tuple[bytes, bytes]:
        """At most so many bytes inflated, and the data that is left."""
        inflater = self._inflater or self._new_inflater()
        try:
            part = inflater.decompress(data, most)
        except zlib.error as problem:
            raise Failure(NOT_UTF8, f"compressed data is wrong: {problem}", "7.4.1") from None
        self._past = (self._past + part)[-(1 << self._peer.bits) :]
        self._under_way = not inflater.eof
        self._inflater = None if inflater.eof else inflater
        return part, inflater.unused_data if inflater.eof else inflater.unconsumed_tail

    def _new_inflater(self) -> "zlib._Decompress":
        return zlib.decompressobj(-max(self._peer.bits, LEAST_WINDOW), zdict=self._past)

    def finish(self, room: int) -> Iterator[bytes]:
        """The message is complete: what its end gives, which is nothing as a rule. Raises Failure where that
        is not the end of a block.
        """
        if self._under_way:
            yield from self.inflate(TAIL, room)
            if self._inflater and not ends_here(self._inflater):
                raise Failure(NOT_UTF8, "compressed data ends inside a block", "7.4.1")
        self._under_way = False
        if not self._peer.takeover:
            self._inflater, self._past = None, b""


def ends_here(inflater: "zlib._Decompress") -> bool:
    """Whether a last block without anything in it could stand here. Nothing else tells."""
    copy = inflater.copy()
    try:
        copy.decompress(LAST_BLOCK)
    except zlib.error:
        return False
    return copy.eof
