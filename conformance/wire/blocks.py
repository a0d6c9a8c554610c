"""DEFLATE block by block (RFC 1951): streams made by hand, and how far a stream refers back.

zlib never writes a reference as long as the window, and it reads references beyond the window where its own
buffers happen to reach so far. So streams that go exactly to the edge are written here, and whether a sender
keeps to the window that was agreed on is read here, symbol by symbol.

Bits are kept as a string of 0 and 1 in the order in which they arrive: Huffman codes begin with their first
bit, numbers with their last (3.1.1). Slow, and easy to check against the RFC.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate

TAIL = b"\x00\x00\xff\xff"
"""What a message leaves out at its end (RFC 7692, 7.2.1): the length fields of an empty stored block."""

END_OF_BLOCK = 256

_LENGTH_EXTRA = (*(0,) * 8, *(bits for bits in range(1, 6) for _ in range(4)), 0)
_LENGTH_BASE = (*accumulate((1 << extra for extra in _LENGTH_EXTRA[:27]), initial=3), 258)
_DISTANCE_EXTRA = (0, 0, *(bits for bits in range(14) for _ in range(2)))
_DISTANCE_BASE = tuple(accumulate((1 << extra for extra in _DISTANCE_EXTRA[:29]), initial=1))
"""Section 3.2.5: where the range of each symbol for a length or distance begins, and how many bits follow."""

_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
"""Section 3.2.7: the order in which the lengths of the code lengths' own codes stand."""

_REPEATS = {16: (2, 3), 17: (3, 3), 18: (7, 11)}
"""Section 3.2.7: bits behind the symbol, and what is added to them."""

_FIXED = (8,) * 144 + (9,) * 112 + (7,) * 24 + (8,) * 8

_GLANCE = 8
"""Bits at which a decoder looks at once: few symbols have longer codes."""


def huffman(lengths: Sequence[int]) -> dict[int, str]:
    """The codes of symbols 0, 1, … by their lengths (3.2.2); a length of 0 is no code."""
    codes, code, sized = {}, 0, dict[int, list[int]]()
    for symbol, length in enumerate(lengths):
        sized.setdefault(length, []).append(symbol)
    for size in range(1, 16):
        for symbol in sized.get(size, ()):
            codes[symbol] = f"{code:0{size}b}"
            code += 1
        code <<= 1
    return codes


LITERALS, DISTANCES = huffman(_FIXED), huffman((5,) * 30)
"""The fixed codes of section 3.2.6."""


# --- out -------------------------------------------------------------------------------------------------


def stored(data: bytes, *, final: bool = False) -> bytes:
    """A block without compression, at most 65535 bytes; it begins and ends at a byte."""
    size = len(data)
    return bytes([final]) + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + data


def fixed(*items: bytes | tuple[int, int], final: bool = False) -> bytes:
    """A block of fixed codes, and behind it the beginning of an empty stored one: the payload of a message.

    `items` are literal bytes, and references as (length, distance).
    """
    bits = ("1" if final else "0") + "10" + "".join(map(_item, items)) + LITERALS[END_OF_BLOCK]
    if final:
        bits = _padded(bits)
    return packed(bits + "000")


def _item(item: bytes | tuple[int, int]) -> str:
    if isinstance(item, bytes):
        return "".join(LITERALS[byte] for byte in item)
    length, distance = item
    size = _ranged(length, _LENGTH_BASE, _LENGTH_EXTRA, LITERALS, END_OF_BLOCK + 1)
    return size + _ranged(distance, _DISTANCE_BASE, _DISTANCE_EXTRA, DISTANCES, 0)


def _ranged(
    value: int, bases: Sequence[int], extras: Sequence[int], codes: Mapping[int, str], first: int
) -> str:
    index = max(each for each, base in enumerate(bases) if base <= value)
    return codes[first + index] + number(value - bases[index], extras[index])


def number(value: int, size: int) -> str:
    """A number in so many bits, the last one first."""
    return f"{value:0{size}b}"[::-1] if size else ""


def packed(bits: str) -> bytes:
    """Bits as bytes, filled up with zeros."""
    whole = _padded(bits)
    return bytes(int(whole[at : at + 8][::-1], 2) for at in range(0, len(whole), 8))


def _padded(bits: str) -> str:
    return bits + "0" * (-len(bits) % 8)


# --- in --------------------------------------------------------------------------------------------------


def farthest(payload: bytes) -> int:
    """How many bytes the farthest reference in a message's payload goes back, 0 without any.

    Raises ValueError for what is no sequence of whole blocks.
    """
    reader = _Reader(payload + TAIL)
    return max(reader.distances(), default=0)


class _Reader:
    """A place in a stream of bits. What comes out of it is known to zlib; here only distances are read."""

    def __init__(self, data: bytes) -> None:
        self.bits = f"{int.from_bytes(data, 'little'):0{8 * len(data)}b}"[::-1]
        self.at = 0

    def distances(self) -> Iterator[int]:
        """The distances of all references, block for block."""
        while self.at < len(self.bits):
            final, kind = self.number(1), self.number(2)
            if kind == 0:
                self.skip_stored()
            elif kind == 1:
                yield from self.references(_FIXED, (5,) * 30)
            elif kind == 2:
                yield from self.references(*self.code_lengths())
            else:
                raise ValueError("a block of the reserved type")
            if final:
                self.at += -self.at % 8

    def number(self, size: int) -> int:
        """The next `size` bits as a number."""
        bits = self.bits[self.at : self.at + size]
        if len(bits) < size:
            raise ValueError("the last block is not whole")
        self.at += size
        return int(bits[::-1], 2) if size else 0

    def symbol(self, code: "_Decoder", least: int = 0) -> int:
        """The next symbol of a code that is no lower; most are bytes, and leaving one out costs no call."""
        bits, at, seen, symbol = self.bits, self.at, code.seen, -1
        while symbol < least:
            ahead = bits[at : at + _GLANCE]
            symbol, size = seen.get(ahead) or code.read(ahead, bits[at : at + 15])
            at += size
        self.at = at
        return symbol

    def skip_stored(self) -> None:
        self.at += -self.at % 8
        size, check = self.number(16), self.number(16)
        if size ^ check != 0xFFFF:
            raise ValueError("a stored block of two lengths")
        self.at += 8 * size

    def code_lengths(self) -> tuple[list[int], list[int]]:
        """The lengths of a dynamic block's codes (3.2.7), for literals and lengths, and for distances."""
        literals, distances, own = self.number(5) + 257, self.number(5) + 1, self.number(4) + 4
        sizes = dict(zip(_ORDER, (self.number(3) for _ in range(own)), strict=False))
        codes = _Decoder([sizes.get(symbol, 0) for symbol in range(19)])
        lengths: list[int] = []
        while len(lengths) < literals + distances:
            lengths += self.repeated(self.symbol(codes), lengths)
        return lengths[:literals], lengths[literals:]

    def repeated(self, symbol: int, before: Sequence[int]) -> list[int]:
        if symbol < 16:
            return [symbol]
        bits, more = _REPEATS[symbol]
        return [before[-1] if symbol == 16 else 0] * (self.number(bits) + more)

    def references(self, literals: Sequence[int], distances: Sequence[int]) -> Iterator[int]:
        codes = _decoder(tuple(literals), END_OF_BLOCK + 1 + len(_LENGTH_BASE))
        far = _decoder(tuple(distances), len(_DISTANCE_BASE))
        while (symbol := self.symbol(codes, END_OF_BLOCK)) != END_OF_BLOCK:
            self.at += _LENGTH_EXTRA[symbol - END_OF_BLOCK - 1]
            index = self.symbol(far)
            yield _DISTANCE_BASE[index] + self.number(_DISTANCE_EXTRA[index])


class _Decoder:
    """Symbols by their codes; the last ones of the fixed codes mean nothing (3.2.6)."""

    def __init__(self, lengths: Sequence[int], known: int = 19) -> None:
        self.symbols = {code: symbol for symbol, code in huffman(lengths).items() if symbol < known}
        self.sizes = sorted({len(code) for code in self.symbols})
        self.seen: dict[str, tuple[int, int]] = {}
        """Symbol and size of the code with which some bits begin; the same bits always begin with it."""

    def read(self, ahead: str, bits: str) -> tuple[int, int]:
        """The symbol whose code `bits` begin with, and the size of its code; `ahead` is where they begin."""
        for size in self.sizes:
            if (symbol := self.symbols.get(bits[:size])) is not None:
                if size <= len(ahead):
                    self.seen[ahead] = symbol, size
                return symbol, size
        raise ValueError("bits that are no code, or half a block")


_decoder = lru_cache(64)(_Decoder)
