"""permessage-deflate for clients: offers read strictly, streams that keep what was agreed (RFC 7692)."""

import zlib
from random import Random

import pytest

from conformance.clients.deflate import Agreed, answered, check_offer, offers, opened
from conformance.outcomes import Unsupported, Violation
from conformance.wire.websocket import Opcode, encode
from conformance.wire.websocket_server import Request
from tests.conformance.clients.callers import client
from tests.conformance.servers import answer_first, peer, serving

HELLO = "f248cdc9c90700"


def asking(*values: str) -> Request:
    return Request(b"", "GET / HTTP/1.1", tuple(("sec-websocket-extensions", value) for value in values))


def test_offers_are_found_among_others() -> None:
    asked = asking('x-other; a=b, permessage-deflate; client_max_window_bits="10"', "permessage-deflate")
    assert offers(asked) == [["client_max_window_bits=10"], []]
    assert offers(asking()) == []


@pytest.mark.parametrize(
    "parameters",
    [[], ["client_max_window_bits"], ["server_max_window_bits=8", "client_no_context_takeover"]],
)
def test_offers_that_may_be_made(parameters: list[str]) -> None:
    check_offer(parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        ["foo"],
        ["server_max_window_bits"],
        ["server_max_window_bits=16"],
        ["client_max_window_bits=08"],
        ["client_no_context_takeover=1"],
        ["client_max_window_bits", "client_max_window_bits=9"],
    ],
)
def test_offers_that_may_not(parameters: list[str]) -> None:
    with pytest.raises(Violation, match="wrong-request"):
        check_offer(parameters)


def test_the_examples_of_section_7_2_3() -> None:
    agreed = Agreed()
    assert agreed.compress(b"Hello").hex() == HELLO
    assert agreed.compress(b"Hello").hex() == "f200110000"
    assert Agreed(server_keeps=False).compress(b"").hex() == "00"
    assert [agreed.inflate(bytes.fromhex(data)) for data in (HELLO, "f200110000")] == [b"Hello"] * 2


def test_a_client_that_keeps_what_it_should_not() -> None:
    agreed = Agreed(client_keeps=False)
    assert agreed.inflate(bytes.fromhex(HELLO)) == b"Hello"
    with pytest.raises(Violation, match="does not inflate"):
        agreed.inflate(bytes.fromhex("f200110000"))


def test_a_window_that_is_too_small_for_what_came() -> None:
    block = Random(0).randbytes(1000)
    data = zlib.compressobj(wbits=-15)
    far = data.compress(block + block) + data.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(Violation, match="distance too far back"):
        Agreed(client_bits=9).inflate(far.removesuffix(b"\x00\x00\xff\xff"))


@pytest.mark.parametrize(
    "frames",
    [
        encode(1, b"Hello"),
        encode(1, bytes.fromhex(HELLO), rsv=4),
        encode(1, bytes.fromhex(HELLO)[:3], rsv=4, fin=False) + encode(0, bytes.fromhex(HELLO)[3:]),
    ],
)
def test_answers_come_compressed_or_not(frames: bytes) -> None:
    with serving(answer_first(frames)) as address, peer(address) as other:
        other.send(b"?")
        Agreed().expect(other, Opcode.TEXT, b"Hello")


def test_another_answer() -> None:
    with serving(answer_first(encode(1, b"Hullo"))) as address, peer(address) as other:
        other.send(b"?")
        with pytest.raises(Violation, match="wrong-answer"):
            Agreed().expect(other, Opcode.TEXT, b"Hello")


def test_an_answer_names_what_is_agreed() -> None:
    head = answered(asking(), "client_max_window_bits=9").decode()
    assert "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9\r\n" in head


def test_who_offers_nothing_is_left_in_peace() -> None:
    with client() as subject, pytest.raises(Unsupported), opened(subject):
        pass
