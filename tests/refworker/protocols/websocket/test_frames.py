from collections.abc import Callable

import pytest

from refworker.protocols.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LEGAL,
    LEGAL_WITH_DEFLATE,
    PING,
    PONG,
    TEXT,
    Failure,
    Header,
    close_payload,
    frame,
    read_close,
    read_header,
    read_short,
)
from refworker.protocols.websocket.masking import mask
from tests.refworker.protocols.websocket.peers import KEY, promised

ROOM = 1 << 63

EXAMPLES = {
    "text": ("8105 48656c6c6f", TEXT, b"Hello", b""),
    "masked text": ("8185 37fa213d 7f9f4d5158", TEXT, b"Hello", KEY),
    "ping": ("8905 48656c6c6f", PING, b"Hello", b""),
    "masked pong": ("8a85 37fa213d 7f9f4d5158", PONG, b"Hello", KEY),
    "256 bytes": ("827e0100" + "00" * 256, BINARY, bytes(256), b""),
    "64 KiB": ("827f0000000000010000" + "00" * 65536, BINARY, bytes(65536), b""),
}
"""RFC 6455 section 5.7."""


def room(size: int) -> Callable[[bool], int]:
    """So many bytes, compressed or not."""
    return lambda compressed: size


@pytest.mark.parametrize(("wire", "opcode", "payload", "key"), EXAMPLES.values(), ids=EXAMPLES)
def test_the_examples_of_the_rfc(wire: str, opcode: int, payload: bytes, key: bytes) -> None:
    data = bytes.fromhex(wire)
    assert frame(opcode, payload, key) == data
    header = read_header(data, 0, bool(key), room(ROOM), LEGAL.between)
    assert header == Header(True, False, opcode, len(payload), key, len(data) - len(payload))
    got = data[header.start :]
    assert (mask(got, key) if key else got) == payload


@pytest.mark.parametrize(("first", "final"), [(0x01, False), (0x00, False), (0x80, True)])
def test_the_fragments_of_the_rfc(first: int, final: bool) -> None:
    legal = LEGAL.between if first & 0x0F else LEGAL.inside
    header = read_header(bytes([first, 3]), 0, False, room(ROOM), legal)
    assert header == Header(final, False, first & 0x0F, 3, b"", 2)


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, "8200"),
        (125, "827d"),
        (126, "827e007e"),
        (127, "827e007f"),
        (65535, "827effff"),
        (65536, "827f0000000000010000"),
    ],
)
def test_the_shortest_length_is_sent(length: int, header: str) -> None:
    assert frame(BINARY, bytes(length)) == bytes.fromhex(header) + bytes(length)
    masked = bytearray.fromhex(header)
    masked[1] |= 0x80
    assert frame(BINARY, bytes(length), KEY)[: len(masked) + 4] == bytes(masked) + KEY


# -- masking -------------------------------------------------------------------------------------------


# -- headers -------------------------------------------------------------------------------------------


def section_of(first: int, inside: bool) -> str:
    """What forbids such a first byte, `""` where nothing does."""
    opcode = first & 0x0F
    if first & 0x70:
        return "5.2"
    if opcode in (8, 9, 10):
        return "" if first & 0x80 else "5.5"
    if opcode > 2:
        return "5.2"
    return "" if (opcode == 0) is inside else "5.4"


@pytest.mark.parametrize("first", range(256))
@pytest.mark.parametrize("inside", [False, True])
def test_every_first_byte_is_legal_or_refused_with_its_section(first: int, inside: bool) -> None:
    legal = LEGAL.inside if inside else LEGAL.between
    if section := section_of(first, inside):
        with pytest.raises(Failure, match=rf"\(RFC 6455 section {section}\)") as failure:
            read_header(bytes([first, 0]), 0, False, room(ROOM), legal)
        assert failure.value.code == 1002
    else:
        assert read_header(bytes([first, 0]), 0, False, room(ROOM), legal) is not None


@pytest.mark.parametrize("first", range(256))
def test_compression_allows_a_bit_on_what_begins_a_message(first: int) -> None:
    allowed = LEGAL_WITH_DEFLATE.between - LEGAL.between
    assert (first in allowed) is (first in (0x41, 0x42, 0xC1, 0xC2))
    assert LEGAL_WITH_DEFLATE.inside == LEGAL.inside


@pytest.mark.parametrize("first", sorted(LEGAL.between))
@pytest.mark.parametrize("masked", [True, False])
def test_exactly_one_side_masks(first: int, masked: bool) -> None:
    with pytest.raises(Failure, match=r"mask \(RFC 6455 section 5.1\)"):
        read_header(bytes([first, 0 if masked else 0x80]), 0, masked, room(ROOM), LEGAL.between)


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
@pytest.mark.parametrize("length", [126, 127])
def test_a_control_frame_is_short(opcode: int, length: int) -> None:
    with pytest.raises(Failure, match="longer than 125 bytes"):
        read_header(bytes([0x80 | opcode, 0x80 | length]), 0, True, room(ROOM), LEGAL.between)


@pytest.mark.parametrize(
    "length",
    ["7e0000", "7e007d", "7f0000000000000000", "7f000000000000007d", "7f000000000000ffff"],
)
def test_a_length_has_its_shortest_form(length: str) -> None:
    with pytest.raises(Failure, match="not in its shortest form"):
        read_header(b"\x82" + bytes.fromhex(length), 0, False, room(ROOM), LEGAL.between)


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1])
def test_the_top_bit_of_a_length_is_zero(length: int) -> None:
    with pytest.raises(Failure, match="top bit"):
        read_header(promised(0x82, length), 0, True, room(ROOM), LEGAL.between)


@pytest.mark.parametrize("length", [101, 126, 65536, (1 << 63) - 1])
def test_a_length_beyond_the_room_is_refused_before_its_key_arrives(length: int) -> None:
    with pytest.raises(Failure, match="max_package_size") as failure:
        read_header(promised(0x82, length), 0, True, room(100), LEGAL.between)
    assert failure.value.code == 1009


def test_control_frames_need_no_room() -> None:
    assert read_header(b"\x89\x05", 0, False, room(0), LEGAL.between) is not None


@pytest.mark.parametrize("wire", ["8185 37fa213d", "81fe 007e 37fa213d", "81ff 0000000000010000 37fa213d"])
def test_an_incomplete_header_is_none(wire: str) -> None:
    data = bytes.fromhex(wire)
    for end in range(len(data)):
        assert read_header(data[:end], 0, True, room(ROOM), LEGAL.between) is None
    header = read_header(b"??" + data, 2, True, room(ROOM), LEGAL.between)
    assert header is not None
    assert header.start == 2 + len(data)


# -- the hot path --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, b""])
def test_short_messages_are_read_in_one_go(key: bytes) -> None:
    messages = ["", "Hello", b"", b"\x00\xff", "ü" * 62, bytes(125)]
    data = b"".join(
        frame(TEXT, message.encode(), key) if isinstance(message, str) else frame(BINARY, message, key)
        for message in messages
    )
    got: list[object] = []
    assert read_short(data, 0, bool(key), got) == len(data)
    assert got == messages


@pytest.mark.parametrize(
    "other",
    {
        "ping": frame(PING, b"", KEY),
        "continuation": frame(CONTINUATION, b"", KEY),
        "fragment": b"\x01\x80" + KEY,
        "reserved bit": b"\xc1\x80" + KEY,
        "unmasked": frame(TEXT, b"Hello"),
        "longer": frame(TEXT, bytes(126), KEY),
        "not UTF-8": frame(TEXT, b"\xff", KEY),
        "incomplete": frame(TEXT, b"Hello", KEY)[:-1],
        "header alone": b"\x81\x80" + KEY[:3],
        "nothing": b"",
    }.values(),
)
def test_it_stops_before_whatever_is_not_common(other: bytes) -> None:
    common = frame(TEXT, b"Hello", KEY)
    got: list[object] = []
    assert read_short(common + other, 0, True, got) == len(common)
    assert got == ["Hello"]


# -- closing -------------------------------------------------------------------------------------------

GOOD_CODES = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999]
BAD_CODES = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@pytest.mark.parametrize("code", GOOD_CODES)
def test_a_code_that_may_be_sent(code: int) -> None:
    payload = close_payload(code, "grün")
    assert payload == code.to_bytes(2, "big") + "grün".encode()
    assert read_close(payload) == (code, payload[2:].decode())


@pytest.mark.parametrize("code", BAD_CODES)
def test_a_code_that_may_not(code: int) -> None:
    with pytest.raises(ValueError, match=f"close code {code} may not be sent"):
        close_payload(code)
    with pytest.raises(Failure, match=f"close code {code} may not be sent") as failure:
        read_close(code.to_bytes(2, "big"))
    assert failure.value.code == 1002


def test_a_close_without_code() -> None:
    assert close_payload(None) == b""
    assert read_close(b"") == (None, "")


def test_half_a_code_and_a_reason_that_is_not_text() -> None:
    with pytest.raises(Failure, match="half a code") as failure:
        read_close(b"\x03")
    assert failure.value.code == 1002
    with pytest.raises(Failure, match="not UTF-8") as failure:
        read_close(b"\x03\xe8\xed\xa0\x80")
    assert failure.value.code == 1007


def test_a_reason_fits_into_a_control_frame() -> None:
    assert len(close_payload(1000, "a" * 123)) == 125
    with pytest.raises(ValueError, match="at most 123 fit"):
        close_payload(1000, "ü" * 62)
