"""DEFLATE by hand: zlib reads what is written here, and what zlib writes is read here."""

import zlib
from random import Random

import pytest

from conformance.wire.blocks import TAIL, farthest, fixed, stored

TEXT = b"the words of a text that repeats the words of a text, " * 40


def inflated(payload: bytes) -> bytes:
    return zlib.decompressobj(-15).decompress(payload + TAIL)


def test_the_examples_of_rfc_7692() -> None:
    assert fixed(b"Hello") == bytes.fromhex("f248cdc9c90700")
    assert fixed(b"Hello", final=True) == bytes.fromhex("f348cdc9c9070000")
    assert stored(b"Hello") + b"\0" == bytes.fromhex("000500faff48656c6c6f00")
    assert fixed(b"H", (4, 5)) == bytes.fromhex("f200110000")


@pytest.mark.parametrize("length", [3, 4, 10, 11, 12, 18, 19, 130, 131, 257, 258])
def test_references_of_every_length(length: int) -> None:
    assert inflated(fixed(b"a", (length, 1))) == b"a" * (length + 1)


@pytest.mark.parametrize("distance", [1, 2, 4, 5, 6, 7, 192, 193, 512, 513, 24576, 24577, 32767, 32768])
def test_references_of_every_distance(distance: int) -> None:
    noise = Random(0).randbytes(distance)
    payload = stored(noise) + fixed((min(9, distance + 2), distance))
    assert inflated(payload)[distance:] == (noise * 9)[: min(9, distance + 2)]
    assert farthest(payload) == distance


def test_all_bytes_as_literals() -> None:
    assert inflated(fixed(bytes(range(256)))) == bytes(range(256))


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("bits", [9, 12, 15])
def test_zlib_stays_within_its_window(level: int, bits: int) -> None:
    stream = zlib.compressobj(level, zlib.DEFLATED, -bits)
    content = TEXT + Random(level).randbytes(700) * 3
    payload = (stream.compress(content) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)
    assert (0 if level == 0 else 1) <= farthest(payload) + (level == 0) <= (1 << bits) - 262 + (level == 0)


def test_nothing_is_referred_to() -> None:
    assert farthest(b"\0") == 0
    assert farthest(fixed(b"abc", final=True)[:-1] + stored(b"abc", final=True) + b"\0") == 0


def test_blocks_behind_a_final_one_are_read() -> None:
    assert farthest(fixed(b"ab", final=True)[:-1] + fixed(b"c", (3, 2))) == 2


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"\x06", "reserved type"),
        (b"\x00\x05\x00\x00\x00Hello\x00", "two lengths"),
        (fixed(b"Hello")[:-3], "no code|not whole|two lengths"),
        (b"", "not whole"),
        (bytes.fromhex("1a030000"), "no code|not whole"),
    ],
)
def test_no_blocks(payload: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        farthest(payload)
