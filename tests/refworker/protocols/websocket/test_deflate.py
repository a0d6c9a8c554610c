import tracemalloc
import zlib
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.websocket import WebSocketClient, WebSocketServer
from refworker.protocols.websocket.deflate import (
    ASKING,
    GRANTING,
    SLICE,
    TAIL,
    Agreement,
    Deflate,
    Deflation,
    accept,
    answer,
    offer,
    options_for,
)
from refworker.protocols.websocket.extensions import Extension, read_extensions
from refworker.protocols.websocket.frames import Failure
from tests.refworker.protocols.websocket.peers import known_bytes

HELLO = b"Hello"
ROOM = 1 << 20
EAGER = Deflate(threshold=0)


def inflated(deflation: Deflation, data: bytes, room: int = ROOM) -> bytes:
    """A whole message."""
    return b"".join([*deflation.inflate(data, room), *deflation.finish(room)])


def pair(own: Agreement = Agreement(), peer: Agreement = Agreement(), options: Deflate = EAGER) -> Any:  # noqa: B008
    """Two sides that agree."""
    return Deflation(options, own, peer), Deflation(options, peer, own)


def answered(value: str, options: Deflate = GRANTING) -> str | None:
    """What a server says to this offer."""
    agreed = answer(read_extensions([value]), options)
    return str(agreed[0]) if agreed else None


# -- agreeing ------------------------------------------------------------------------------------------

NAME = "permessage-deflate"
BOTH_FORGET = "server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ("", "; server_max_window_bits=12"),
        ("; client_max_window_bits", "; server_max_window_bits=12; client_max_window_bits=12"),
        ("; client_max_window_bits=10", "; server_max_window_bits=12; client_max_window_bits=10"),
        ("; client_max_window_bits=15", "; server_max_window_bits=12; client_max_window_bits=12"),
        ("; client_max_window_bits=8", "; server_max_window_bits=12; client_max_window_bits=8"),
        ("; server_max_window_bits=15", "; server_max_window_bits=12"),
        ("; server_max_window_bits=9", "; server_max_window_bits=9"),
        ("; server_max_window_bits=8", "; server_max_window_bits=8"),
        ('; server_max_window_bits="10"', "; server_max_window_bits=10"),
        ("; server_no_context_takeover", "; server_no_context_takeover; server_max_window_bits=12"),
        ("; client_no_context_takeover", "; client_no_context_takeover; server_max_window_bits=12"),
    ],
)
def test_an_offer_that_is_taken_up(offered: str, expected: str) -> None:
    assert answered(NAME + offered) == NAME + expected


@pytest.mark.parametrize(
    "parameters",
    [
        "foo",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=09",
        "client_max_window_bits=99",
        "server_no_context_takeover=1",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
    ],
)
def test_an_offer_that_is_passed_over(parameters: str) -> None:
    assert answered(f"{NAME}; {parameters}") is None
    assert answered(f"other, {NAME}; {parameters}, {NAME}; server_max_window_bits=10") == (
        f"{NAME}; server_max_window_bits=10"
    )


def test_a_server_may_ask_for_less_than_is_offered() -> None:
    thrifty = Deflate(window_bits=9, context_takeover=False, peer_context_takeover=False)
    assert answered(NAME, thrifty) == (
        f"{NAME}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9"
    )


def test_the_largest_window_is_said_where_it_was_asked_for() -> None:
    generous = Deflate(window_bits=15)
    assert answered(NAME, generous) == NAME
    assert answered(f"{NAME}; server_max_window_bits=15", generous) == f"{NAME}; server_max_window_bits=15"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (ASKING, "; client_max_window_bits"),
        (Deflate(peer_window_bits=10), "; server_max_window_bits=10; client_max_window_bits"),
        (
            Deflate(context_takeover=False, peer_context_takeover=False),
            f"; {BOTH_FORGET}; server_max_window_bits=12; client_max_window_bits",
        ),
    ],
)
def test_what_a_client_offers(options: Deflate, expected: str) -> None:
    assert str(offer(options)) == NAME + expected


@pytest.mark.parametrize(
    "said",
    [
        "other",
        f"{NAME}; client_max_window_bits",
        f"{NAME}; client_max_window_bits=7",
        f"{NAME}; server_no_context_takeover=1",
        f"{NAME}; foo",
        f"{NAME}; server_no_context_takeover; server_no_context_takeover",
    ],
)
def test_an_answer_that_is_no_answer(said: str) -> None:
    with pytest.raises(ValueError, match="is no answer"):
        accept(read_extensions([said])[0], ASKING)


@pytest.mark.parametrize(
    "options", [Deflate(peer_window_bits=10), Deflate(peer_window_bits=15, peer_context_takeover=False)]
)
def test_an_answer_that_is_more_than_was_offered(options: Deflate) -> None:
    with pytest.raises(ValueError, match="more than was offered"):
        accept(Extension(NAME), options)


@given(st.sampled_from([GRANTING, Deflate(threshold=0, window_bits=9), Deflate(context_takeover=False)]))
def test_what_a_server_answers_a_client_accepts(options: Deflate) -> None:
    agreed = answer([offer(ASKING)], options)
    assert agreed
    said, server = agreed
    client = accept(said, ASKING)
    for text in (b"first" * 100, b"second" * 100, b"first" * 100):
        assert inflated(client, server.deflate(text) or b"") == text
        assert inflated(server, client.deflate(text) or b"") == text


@pytest.mark.parametrize(("wish", "meaning"), [(True, GRANTING), (False, None), (None, None), (EAGER, EAGER)])
def test_what_a_wish_means(wish: Any, meaning: Deflate | None) -> None:
    assert options_for(wish, GRANTING) is meaning


def test_a_wish_that_cannot_be_meant() -> None:
    with pytest.raises(TypeError, match="not int"):
        options_for(9, GRANTING)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="window_bits is 9 to 15, not 8"):
        Deflate(window_bits=8)
    with pytest.raises(ValueError, match="level is 1 to 9, not 0"):
        Deflate(level=0)


# -- compressing ---------------------------------------------------------------------------------------


def test_a_short_message_goes_as_it_is() -> None:
    deflation = Deflation(Deflate(threshold=10), Agreement(), Agreement())
    assert deflation.deflate(bytes(9)) is None
    assert deflation.deflate(bytes(10)) is not None


def test_a_window_that_zlib_cannot_make_means_no_compression() -> None:
    assert Deflation(EAGER, Agreement(bits=8), Agreement()).deflate(bytes(1000)) is None


def test_a_message_that_comes_again_is_shorter_unless_it_is_forgotten() -> None:
    text = Random(1).randbytes(500)
    for takeover in (True, False):
        deflation = Deflation(EAGER, Agreement(takeover=takeover), Agreement())
        first, second = deflation.deflate(text), deflation.deflate(text)
        assert first
        assert second
        assert (len(second) < 100) is takeover


def test_the_window_is_the_one_that_was_agreed_on() -> None:
    text = Random(1).randbytes(600)
    data = Deflation(EAGER, Agreement(bits=9), Agreement()).deflate(text + text)
    assert data
    assert len(data) > 1100  # 600 bytes back is too far for a window of 512
    assert zlib.decompressobj(-9).decompress(data + TAIL) == text + text


# -- inflating -----------------------------------------------------------------------------------------

VECTORS = {
    "one block": "f248cdc9c90700",
    "no compression": "000500faff48656c6c6f00",
    "the final bit": "f348cdc9c9070000",
    "two blocks": "f248050000 00ffffcac9c90700".replace(" ", ""),
}
"""Ways to say Hello (RFC 7692 section 7.2.3)."""


@pytest.mark.parametrize("data", VECTORS.values(), ids=VECTORS)
def test_the_examples_of_the_rfc(data: str) -> None:
    for cut in range(len(data) // 2 + 1):
        deflation, _ = pair()
        for _ in range(3):
            packed = bytes.fromhex(data)
            begin = b"".join(deflation.inflate(packed[:cut], ROOM))
            assert begin + inflated(deflation, packed[cut:]) == HELLO


def test_the_example_of_a_second_message() -> None:
    deflation, _ = pair()
    assert inflated(deflation, bytes.fromhex("f248cdc9c90700")) == HELLO
    assert inflated(deflation, bytes.fromhex("f200110000")) == HELLO


def test_a_stream_that_ended_may_still_be_referred_to() -> None:
    text = Random(2).randbytes(1000)
    ending = zlib.compressobj(wbits=-15)
    ended = ending.compress(text) + ending.flush(zlib.Z_FINISH) + b"\0"
    following = zlib.compressobj(wbits=-15, zdict=text)
    data = following.compress(text) + following.flush(zlib.Z_SYNC_FLUSH)
    deflation, _ = pair()
    assert inflated(deflation, ended) == text
    assert len(data) < 100
    assert inflated(deflation, data.removesuffix(TAIL)) == text


def test_an_empty_message_has_two_forms() -> None:
    deflation, _ = pair()
    for data in (b"\0", b"", b"\0", b"\x02\0"):
        assert inflated(deflation, data) == b""
        assert inflated(deflation, bytes.fromhex("f248cdc9c90700")) == HELLO


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x07", b"\xf2\x48\xcd\xc9\xc9\x07\x00\xff\xff\xff"])
def test_data_that_is_not_deflate_fails(data: bytes) -> None:
    deflation, _ = pair()
    with pytest.raises(Failure) as failure:
        inflated(deflation, data)
    assert failure.value.code == 1007


@pytest.mark.parametrize("data", ["000a00f5ff4865", "0008", "f2", "f248cd", "f248cdc9c907000400fbff00"])
def test_a_message_that_ends_inside_a_block_fails(data: str) -> None:
    deflation, _ = pair()
    with pytest.raises(Failure):
        inflated(deflation, bytes.fromhex(data))


def test_an_end_that_completes_a_block_is_a_part_of_the_message() -> None:
    deflation, _ = pair()
    for _ in range(2):
        assert inflated(deflation, bytes.fromhex("000400fbff")) == TAIL


def test_a_reference_beyond_what_was_taken_over_fails() -> None:
    deflation, _ = pair(peer=Agreement(takeover=False))
    assert inflated(deflation, bytes.fromhex("f248cdc9c90700")) == HELLO
    with pytest.raises(Failure):
        inflated(deflation, bytes.fromhex("f200110000"))


def test_a_bomb_is_refused_with_little_memory() -> None:
    packer = zlib.compressobj(9, wbits=-15)
    bomb = packer.compress(bytes(64 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)
    deflation, _ = pair()
    tracemalloc.start()
    try:
        with pytest.raises(Failure) as failure:
            for _ in deflation.inflate(bomb, ROOM):
                pass
        assert tracemalloc.get_traced_memory()[1] < 8 * SLICE
    finally:
        tracemalloc.stop()
    assert failure.value.code == 1009


def test_exactly_the_limit_is_no_bomb() -> None:
    _, sender = pair()
    data = sender.deflate(bytes(ROOM)) or b""
    deflation, _ = pair()
    assert inflated(deflation, data) == bytes(ROOM)
    deflation, _ = pair()
    with pytest.raises(Failure):
        inflated(deflation, data, ROOM - 1)


AGREEMENTS = st.builds(Agreement, st.integers(9, 15), st.booleans())


@given(
    own=AGREEMENTS,
    peer=AGREEMENTS,
    messages=st.lists(st.binary(max_size=300) | st.sampled_from([HELLO * 99, bytes(3000)]), max_size=5),
    cuts=st.lists(st.integers(0, 300), max_size=4),
)
def test_what_is_deflated_is_inflated(
    own: Agreement, peer: Agreement, messages: list[bytes], cuts: list[int]
) -> None:
    here, there = pair(own, peer)
    for message in messages:
        data, got = here.deflate(message), []
        edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
        for start, stop in pairwise(edges):
            got += there.inflate(data[start:stop], ROOM)
        got += there.finish(ROOM)
        assert b"".join(got) == message


def test_what_is_refused_before_the_handshake_is_concluded_is_in_nobodys_window() -> None:
    server = WebSocketServer(1000, EAGER)
    client = WebSocketClient("server.example.com", "/chat?room=1", known_bytes, ROOM, deflate=ASKING)
    server.feed(client.opening)
    text = Random(3).randbytes(300).hex()
    assert server.encode(text) == b""
    with pytest.raises(ValueError, match="wait for the handshake"):
        server.encode(2 * text)
    client.feed(server.open())
    client.open()
    assert client.feed(server.encode(2 * text)) == [2 * text]
