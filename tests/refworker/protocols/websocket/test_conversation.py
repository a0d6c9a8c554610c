import tracemalloc
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.base import MAX_PACKAGE_SIZE, Event
from refworker.protocols.websocket import WebSocketClient, WebSocketServer
from refworker.protocols.websocket.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    frame,
)
from tests.refworker.protocols.websocket.peers import (
    ANSWER,
    KEY,
    LIMIT,
    REQUEST,
    ROLES,
    Make,
    both_roles,
    client,
    failed,
    fragments,
    known_bytes,
    new_client,
    opened,
    pinged,
    promised,
    raw_frame,
    sent,
    server,
)
from tests.refworker.protocols.whole import assert_invariant, assert_reads, cut, positions, read

# -- messages ------------------------------------------------------------------------------------------

MESSAGES: list[str | bytes] = [
    "", "Hello", "grün €😀", "x" * 125, "x" * 126, "ü" * 2000,
    b"", b"\x00\xff\x81", bytes(125), bytes(126), bytes(range(256)) * 5,
]  # fmt: skip


@both_roles
@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: f"{type(message).__name__}{len(message)}")
def test_a_message_has_the_type_of_its_frame(make: Make, key: bytes, message: str | bytes) -> None:
    data = frame(TEXT, message.encode(), key) if isinstance(message, str) else frame(BINARY, message, key)
    assert_reads(make, data * 2, [message] * 2, rest=data[:-1] if message else data[:1])


@both_roles
def test_an_echo_comes_back_as_it_went(make: Make, key: bytes) -> None:
    codec, peer = (server(), client()) if make is server else (client(), server())
    for message in MESSAGES:
        (got,) = codec.feed(peer.encode(message))
        assert peer.feed(codec.encode(got)) == [message]


@both_roles
@pytest.mark.parametrize(
    ("message", "opcode", "payload"),
    [
        ("Hello", TEXT, b"Hello"),
        (b"Hello", BINARY, b"Hello"),
        (bytearray(b"Hello"), BINARY, b"Hello"),
        (memoryview(b"Hello"), BINARY, b"Hello"),
        (123, TEXT, b"123"),
        (1.5, TEXT, b"1.5"),
        ({"a": ["ü"]}, TEXT, '{"a":["ü"]}'.encode()),
        ("", TEXT, b""),
    ],
)
def test_what_is_sent_as_text_and_what_as_binary(
    make: Make, key: bytes, message: Any, opcode: int, payload: bytes
) -> None:
    assert make().encode(message) == sent(make, opcode, payload)


@both_roles
def test_what_cannot_be_sent_raises(make: Make, key: bytes) -> None:
    with pytest.raises(TypeError):
        make().encode(None)
    with pytest.raises(ValueError):
        make().encode("\ud800")


def test_a_client_takes_a_new_key_for_each_frame() -> None:
    numbers = iter(range(100))
    codec = opened(
        WebSocketClient(
            "a", "/", lambda count: known_bytes(16) if count == 16 else bytes([next(numbers)] * 4)
        ),
        ANSWER,
    )
    sending = [codec.encode("x"), codec.encode(b"x"), codec.ping(), codec.farewell()]
    assert [data[2:6] for data in sending] == [bytes([number] * 4) for number in range(4)]


# -- fragments -----------------------------------------------------------------------------------------


@both_roles
@pytest.mark.parametrize(
    ("opcode", "parts", "message"),
    [
        (TEXT, [b"Hel", b"lo"], "Hello"),
        (TEXT, [b"", b"Hel", b"", b"lo", b""], "Hello"),
        (TEXT, [b"", b"", b""], ""),
        (BINARY, [b"\xff", b"\xfe", b"\x00"], b"\xff\xfe\x00"),
        (TEXT, [bytes([byte]) for byte in "grün €😀".encode()], "grün €😀"),
        (BINARY, [b"a" * 1300] * 3, b"a" * 3900),
    ],
)
def test_fragments_become_one_message(
    make: Make, key: bytes, opcode: int, parts: list[bytes], message: str | bytes
) -> None:
    data = b"".join(fragments(opcode, *parts, key=key))
    assert_reads(make, data + frame(TEXT, b"next", key), [message, "next"], rest=data[:-1])


@both_roles
def test_control_frames_between_fragments(make: Make, key: bytes) -> None:
    first, last = fragments(TEXT, b"gr\xc3", b"\xbcn", key=key)
    data = first + frame(PING, b"!", key) + frame(PONG, b"?", key) + last
    expected = [pinged(make, b"!"), Event("on_websocket_pong", (b"?",)), "grün"]
    assert_reads(make, data, expected, rest=first)


@both_roles
@pytest.mark.parametrize("first", [0x00, 0x80])
def test_nothing_to_continue(make: Make, key: bytes, first: int) -> None:
    expected = ["Hello", failed(make, 1002, "there is nothing to continue", "5.4")]
    assert_reads(make, frame(TEXT, b"Hello", key) + raw_frame(first, b"x", key), expected, rest=b"\x81")


@both_roles
@pytest.mark.parametrize("first", [0x01, 0x02, 0x81, 0x82])
def test_a_message_inside_another(make: Make, key: bytes, first: int) -> None:
    data = raw_frame(0x01, b"Hel", key) + raw_frame(first, b"x", key)
    assert_reads(make, data, [failed(make, 1002, "a message begins inside another", "5.4")], rest=b"\x80")


# -- broken rules --------------------------------------------------------------------------------------


@both_roles
@pytest.mark.parametrize(
    ("first", "problem", "section"),
    [
        (0xC1, "a reserved bit is set, and no extension gives it a meaning here", "5.2"),
        (0xA2, "a reserved bit is set, and no extension gives it a meaning here", "5.2"),
        (0x99, "a reserved bit is set, and no extension gives it a meaning here", "5.2"),
        (0x83, "opcode 0x3 is reserved", "5.2"),
        (0x8B, "opcode 0xb is reserved", "5.2"),
        (0x09, "a control frame is fragmented", "5.5"),
        (0x08, "a control frame is fragmented", "5.5"),
    ],
)
def test_a_first_byte_that_is_not_legal(
    make: Make, key: bytes, first: int, problem: str, section: str
) -> None:
    data = frame(TEXT, b"Hello", key) + raw_frame(first, b"x", key)
    expected = ["Hello", failed(make, 1002, problem, section)]
    assert_reads(make, data, expected, rest=frame(PING, b"", key))


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
@pytest.mark.parametrize(
    ("make", "key", "problem"),
    [(server, b"", "a client must mask"), (client, KEY, "a server must not mask")],
)
def test_the_wrong_side_masks(make: Make, key: bytes, problem: str, opcode: int) -> None:
    assert_reads(make, frame(opcode, b"", key)[:2], [failed(make, 1002, problem, "5.1")], rest=b"\0\0")


@both_roles
def test_other_rules_of_the_header(make: Make, key: bytes) -> None:
    for data, problem, section in (
        (promised(0x89, 126, bool(key)), "a control frame is longer than 125 bytes", "5.5"),
        (promised(0x82, 1 << 63, bool(key)), "the top bit of the length is set", "5.2"),
        (
            promised(0x82, 200, bool(key))[:2] + b"\0\x05",
            "length 5 is not in its shortest form",
            "5.2",
        ),
    ):
        assert_reads(make, data, [failed(make, 1002, problem, section)])


# -- limits --------------------------------------------------------------------------------------------


@both_roles
def test_the_exact_limit_and_one_byte_more(make: Make, key: bytes) -> None:
    small = partial(make, LIMIT)
    too_big = failed(make, 1009, "1001 bytes more would exceed max_package_size", "7.4.1")
    assert_reads(small, frame(BINARY, bytes(1000), key), [bytes(1000)])
    assert_reads(small, promised(0x82, 1001, bool(key)), [too_big], rest=KEY + bytes(1001))


@both_roles
def test_the_limit_is_that_of_all_fragments(make: Make, key: bytes) -> None:
    small = partial(make, LIMIT)
    half, rest = fragments(BINARY, bytes(500), bytes(500), key=key)
    assert_reads(small, half + rest, [bytes(1000)])
    too_big = failed(make, 1009, "501 bytes more would exceed max_package_size", "7.4.1")
    assert_reads(small, half + promised(0x80, 501, bool(key)), [too_big])


@both_roles
def test_a_limit_below_what_short_frames_hold(make: Make, key: bytes) -> None:
    too_big = failed(make, 1009, "11 bytes more would exceed max_package_size", "7.4.1")
    data = frame(TEXT, b"a" * 10, key) + frame(TEXT, b"a" * 11, key)
    assert_reads(partial(make, 10), data, ["a" * 10, too_big])


@both_roles
def test_a_promise_allocates_nothing(make: Make, key: bytes) -> None:
    codec = make(1 << 62)
    tracemalloc.start()
    try:
        assert codec.feed(promised(0x82, 1 << 61, bool(key)) + KEY) == []
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


@both_roles
def test_endless_empty_fragments_leave_nothing_behind(make: Make, key: bytes) -> None:
    codec = make()
    codec.feed(raw_frame(0x01, b"", key))
    chunk = raw_frame(0x00, b"", key) * 5000
    tracemalloc.start()
    try:
        for _ in range(4):
            assert codec.feed(chunk) == []
        # One pointer for each of the 20,000 would be more; the test runner's own threads have some.
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
    assert codec.feed(raw_frame(0x80, b"", key)) == [""]


@both_roles
def test_a_big_message_in_many_pieces_is_gathered_once(make: Make, key: bytes) -> None:
    message = "grün " * 50_000
    data = frame(TEXT, message.encode(), key)
    for size in (997, 65536):
        codec = make()
        assert read(codec, cut(data, range(0, len(data), size))) == [message]


def test_a_flood_of_pings_in_one_chunk_stays_small() -> None:
    codec, chunk = server(), frame(PING, b"", KEY) * 14_000
    tracemalloc.start()
    try:
        assert len(codec.feed(chunk)) == 14_000
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


# -- ping and pong -------------------------------------------------------------------------------------


@both_roles
@pytest.mark.parametrize("payload", [b"", b"\x00\xff", bytes(125)])
def test_a_ping_is_answered_with_its_payload(make: Make, key: bytes, payload: bytes) -> None:
    data = frame(PING, payload, key) * 3
    assert_reads(make, data, [pinged(make, payload)] * 3, rest=data[:1])


@both_roles
def test_a_pong_is_told_and_not_answered(make: Make, key: bytes) -> None:
    expected = [Event("on_websocket_pong", (b"late",)), "x"]
    assert_reads(make, frame(PONG, b"late", key) + frame(TEXT, b"x", key), expected)


@both_roles
@pytest.mark.parametrize(("method", "opcode"), [("ping", PING), ("pong", PONG)])
def test_control_frames_of_our_own(make: Make, key: bytes, method: str, opcode: int) -> None:
    send = getattr(make(), method)
    assert send() == sent(make, opcode, b"")
    assert send(bytes(125)) == sent(make, opcode, bytes(125))
    with pytest.raises(ValueError, match="at most 125"):
        send(bytes(126))


# -- before the handshake ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "role", "head", "reply"),
    [(WebSocketServer, server, REQUEST, ANSWER), (new_client, client, ANSWER, b"")],
    ids=ROLES,
)
def test_what_is_sent_early_leaves_behind_the_handshake(
    make: Make, role: Make, head: bytes, reply: bytes
) -> None:
    codec = make()
    assert (codec.encode("a"), codec.encode(b"b"), codec.ping(b"c")) == (b"", b"", b"")
    assert codec.feed(head)[-1].opening
    held = sent(role, TEXT, b"a") + sent(role, BINARY, b"b") + sent(role, PING, b"c")
    assert codec.encode("") == b""  # until the application has agreed
    assert codec.open() == reply + held + sent(role, TEXT, b"")
    assert codec.encode("d") == sent(role, TEXT, b"d")


@pytest.mark.parametrize("make", [WebSocketServer, new_client], ids=ROLES)
def test_what_is_held_back_is_bounded(make: Make) -> None:
    codec = make(100)
    codec.encode(bytes(60))
    with pytest.raises(ValueError, match="more than 100 bytes wait for the handshake"):
        codec.encode(bytes(60))
    codec.encode(bytes(20))


@pytest.mark.parametrize("make", [WebSocketServer, new_client], ids=ROLES)
def test_there_is_no_farewell_before_the_handshake(make: Make) -> None:
    assert make().farewell() == b""


def test_openings_and_limits() -> None:
    assert WebSocketServer().opening == b""
    assert new_client().opening.startswith(b"GET /chat")
    assert WebSocketServer().max_package_size == MAX_PACKAGE_SIZE
    assert WebSocketClient("a", "/", known_bytes).max_package_size == MAX_PACKAGE_SIZE


# -- any stream ----------------------------------------------------------------------------------------

PAYLOADS = st.sampled_from(
    [b"", b"a", "ü€😀".encode(), b"\xe2", b"\x82\xac", b"\xff", b"\x03\xe8", b"x" * 126]
)
FIRSTS = st.sampled_from([0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]) | st.sampled_from(
    [0x88, 0xC1, 0x83, 0x09]
)
STREAMS = st.lists(st.tuples(FIRSTS, PAYLOADS), max_size=8)


@both_roles
@given(stream=STREAMS, noise=st.binary(max_size=4), where=positions)
def test_segmentation_changes_nothing(
    make: Make, key: bytes, stream: list[tuple[int, bytes]], noise: bytes, where: list[int]
) -> None:
    data = b"".join(raw_frame(first, payload, key) for first, payload in stream) + noise
    assert_invariant(make, data, where)
    assert_invariant(partial(make, 6), data, where)


@both_roles
@given(messages=st.lists(st.text() | st.binary() | st.binary(min_size=126, max_size=2000)), where=positions)
def test_what_is_encoded_is_read_again(
    make: Make, key: bytes, messages: list[str | bytes], where: list[int]
) -> None:
    peer = client() if make is server else server()
    data = b"".join(map(peer.encode, messages))
    assert read(make(), cut(data, where)) == messages
