"""Frames on the wire (RFC 6455 section 5.2): two bytes, a longer length where needed, a masking key from a
client, the payload.

    FIN RSV1 RSV2 RSV3 opcode(4)   MASK length(7)   [length(16 or 64)]   [key(32)]   payload

The first byte is one of few, between messages and inside one: `LEGAL` lists them, and everything else is
refused by not being there. An extension that gives a reserved bit a meaning adds its first bytes to such a
table.
"""

import struct
from collections.abc import Callable, Set
from typing import Any, NamedTuple

from refworker.protocols.websocket import masking

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
DATA = frozenset({CONTINUATION, TEXT, BINARY})
CONTROL = frozenset({CLOSE, PING, PONG})

FIN, RESERVED, OPCODE, MASKED = 0x80, 0x70, 0x0F, 0x80
"""What the bits of the first byte and the top bit of the second mean."""

COMPRESSED = 0x40
"""RSV1: what permessage-deflate sets on the first frame of a message (RFC 7692 section 6)."""

FIRST = frozenset({form | opcode for form in (0, FIN) for opcode in (TEXT, BINARY)})
NEXT = frozenset({CONTINUATION, FIN | CONTINUATION})
ALONE = frozenset({FIN | opcode for opcode in CONTROL})
"""First bytes of frames that begin a message, continue one, and have nothing to do with any."""


class Legal(NamedTuple):
    """The first bytes that a frame may have between two messages, and inside one (section 5.4)."""

    between: frozenset[int]
    inside: frozenset[int]


LEGAL = Legal(FIRST | ALONE, NEXT | ALONE)
LEGAL_WITH_DEFLATE = Legal(LEGAL.between | {COMPRESSED | first for first in FIRST}, LEGAL.inside)
"""Without extensions, and with the one for compression."""

LONGEST_SHORT = 125
"""Bytes of payload that need no longer length; also the most that a control frame may carry (section 5.5)."""

LONG_FORMS = {126: (struct.Struct(">H"), LONGEST_SHORT + 1), 127: (struct.Struct(">Q"), 1 << 16)}
"""By the seven bits that announce it: a longer length's form, and the least that it may say."""

NORMAL, BROKEN_RULE, NOT_UTF8, TOO_BIG = 1000, 1002, 1007, 1009
"""Close codes (section 7.4.1)."""

NO_CODE = 1005
"""What stands for a Close frame without one (section 7.1.5)."""

CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""The codes that a Close frame may carry (section 7.4; 1012 to 1014 are in IANA's registry)."""


class Failure(Exception):
    """The peer broke a rule: the close code that says so, what it did, and the section that forbids it."""

    def __init__(self, code: int, problem: str, section: str) -> None:
        super().__init__(f"websocket: {problem} (RFC 6455 section {section})")
        self.code = code


class Header(NamedTuple):
    """What stands before a payload. `key` is empty in a frame that is not masked; `start` is the payload's
    position.
    """

    final: bool
    compressed: bool
    opcode: int
    length: int
    key: bytes
    start: int


# -- reading -------------------------------------------------------------------------------------------


def read_short(data: bytes, position: int, masked: bool, messages: list[Any]) -> int:
    """Append the messages of the commonest frames: whole, unfragmented, of at most 125 bytes. Returns the
    position of the first other frame, good or bad, which `read_header` then looks at.

    This loop is the hot path: nothing is called that can be written out, and no object is made for a frame.
    """
    end, header, form = len(data), 6 if masked else 2, MASKED if masked else 0
    integer, unmask, longest = int.from_bytes, masking.compiled, LONGEST_SHORT
    while end - position >= header:
        kind, length = data[position], data[position + 1] - form
        start = position + header
        stop = start + length
        if not 0 <= length <= longest or stop > end or not 0x81 <= kind <= 0x82:
            break
        payload = data[start:stop]
        if masked and unmask:
            payload = unmask(payload, data[position + 2 : start])
        elif masked:
            pattern = data[position + 2 : start] * ((length + 3) >> 2)
            if length & 3:
                pattern = pattern[:length]
            payload = (integer(payload) ^ integer(pattern)).to_bytes(length)
        try:
            messages.append(payload.decode() if kind == 0x81 else payload)
        except UnicodeDecodeError:
            break
        position = stop
    return position


def read_header(
    data: bytes, position: int, masked: bool, room: Callable[[bool], int], legal: Set[int]
) -> Header | None:
    """The header at `position`, or None while it is incomplete. `masked` says what the peer must do, `room`
    how many bytes its payload may have, compressed or not, `legal` how a frame may begin.

    Raises Failure as soon as the bytes that break a rule are there: nothing waits, and nothing is allocated,
    for a promise that will be refused.
    """
    if len(data) < position + 2:
        return None
    first, second = data[position], data[position + 1]
    check(first, second, masked, legal)
    known = read_length(data, position + 2, second & ~MASKED)
    if known is None:
        return None
    length, start = known
    opcode = first & OPCODE
    if opcode in DATA and length > room(bool(first & COMPRESSED)):
        raise Failure(TOO_BIG, f"{length} bytes more would exceed max_package_size", "7.4.1")
    key = data[start : start + 4] if masked else b""
    if masked and len(key) < 4:
        return None
    return Header(first >= FIN, bool(first & COMPRESSED), opcode, length, key, start + len(key))


def check(first: int, second: int, masked: bool, legal: Set[int]) -> None:
    """Raise Failure for two bytes with which no frame may begin."""
    if first not in legal:
        raise Failure(BROKEN_RULE, *objection(first))
    if (second >= MASKED) is not masked:
        raise Failure(BROKEN_RULE, "a client must mask" if masked else "a server must not mask", "5.1")
    if first & OPCODE in CONTROL and second & ~MASKED > LONGEST_SHORT:
        raise Failure(BROKEN_RULE, f"a control frame is longer than {LONGEST_SHORT} bytes", "5.5")


def objection(first: int) -> tuple[str, str]:
    """What is wrong with a first byte that is not legal, and the section that says so."""
    if first & RESERVED:
        return "a reserved bit is set, and no extension gives it a meaning here", "5.2"
    if first & OPCODE in CONTROL:
        return "a control frame is fragmented", "5.5"
    if first & OPCODE not in DATA:
        return f"opcode {first & OPCODE:#x} is reserved", "5.2"
    begins = first & OPCODE != CONTINUATION
    return "a message begins inside another" if begins else "there is nothing to continue", "5.4"


def read_length(data: bytes, position: int, short: int) -> tuple[int, int] | None:
    """The payload's length and the position behind it, or None while it is incomplete. Raises Failure for a
    length that is not in its shortest form, or beyond 63 bits.
    """
    if short <= LONGEST_SHORT:
        return short, position
    form, least = LONG_FORMS[short]
    if len(data) < position + form.size:
        return None
    (length,) = form.unpack_from(data, position)
    if length < least:
        raise Failure(BROKEN_RULE, f"length {length} is not in its shortest form", "5.2")
    if length >> 63:
        raise Failure(BROKEN_RULE, "the top bit of the length is set", "5.2")
    return length, position + form.size


def read_close(payload: bytes) -> tuple[int | None, str]:
    """Code and reason of a Close frame; None for a code where it has none. Raises Failure for what a Close
    may not carry (section 5.5.1).
    """
    if not payload:
        return None, ""
    if len(payload) < 2:
        raise Failure(BROKEN_RULE, "a Close frame has half a code", "5.5.1")
    code = int.from_bytes(payload[:2], "big")
    if code not in CLOSE_CODES:
        raise Failure(BROKEN_RULE, f"close code {code} may not be sent", "7.4")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise Failure(NOT_UTF8, "the reason of the Close frame is not UTF-8", "5.5.1") from None


# -- writing -------------------------------------------------------------------------------------------


TEXT_HEADS, BINARY_HEADS = (
    [bytes((FIN | opcode, length)) for length in range(LONGEST_SHORT + 1)] for opcode in (TEXT, BINARY)
)
"""By length: what stands before a short message that is not masked."""


def frame(opcode: int, payload: bytes, key: bytes = b"", compressed: int = 0) -> bytes:
    """One final frame with the shortest length; masked where a key is given. `compressed`: see above."""
    head, length = FIN | compressed | opcode, len(payload)
    form = MASKED if key else 0
    if length <= LONGEST_SHORT:
        start = bytes((head, form | length))
    elif length < 1 << 16:
        start = struct.pack(">BBH", head, form | 126, length)
    else:
        start = struct.pack(">BBQ", head, form | 127, length)
    return start + key + masking.mask(payload, key) if key else start + payload


def close_payload(code: int | None, reason: str = "") -> bytes:
    """What a Close frame carries. Raises ValueError for a code or a reason that may not be sent (section
    7.4).
    """
    if code is None:
        return b""
    if code not in CLOSE_CODES:
        raise ValueError(f"close code {code} may not be sent; use 1000, 1001 or one of 3000 to 4999")
    payload = code.to_bytes(2, "big") + reason.encode()
    if len(payload) > LONGEST_SHORT:
        raise ValueError(f"the reason has {len(payload) - 2} bytes; at most {LONGEST_SHORT - 2} fit")
    return payload
