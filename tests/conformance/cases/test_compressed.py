"""What the cases of permessage-deflate build on: frames of payloads, and answers to offers."""

import pytest

from conformance.cases.compressed import pieces, squeezed, until_the_end, worst
from conformance.exchange import FAILED
from conformance.outcomes import Violation
from conformance.wire.websocket import Opcode, encode
from tests.conformance.servers import answer_first, peer, serving


def test_pieces() -> None:
    assert pieces(b"abcde", 2) == [b"ab", b"cd", b"e"]
    assert pieces(b"", 2) == [b""]


def test_only_the_first_frame_is_marked() -> None:
    assert squeezed(Opcode.TEXT, b"ab") == encode(1, b"ab", rsv=4)
    assert squeezed(Opcode.TEXT, b"a", b"b") == encode(1, b"a", fin=False, rsv=4) + encode(0, b"b")


def test_the_worst_is_the_last_of_the_table() -> None:
    assert worst(FAILED, ["failed", "dropped", "other-code"]) == "dropped"


def test_everything_until_the_end() -> None:
    frames = encode(Opcode.TEXT, b"a", key=None) + encode(Opcode.CLOSE, b"\x03\xe8", key=None)
    with serving(answer_first(frames)) as address, peer(address) as client:
        client.send(b"?")
        assert list(until_the_end(client)) == [(Opcode.TEXT, b"a"), (Opcode.CLOSE, b"\x03\xe8")]


def test_half_a_frame_is_no_end() -> None:
    with serving(answer_first(b"\x81")) as address, peer(address) as client:
        client.send(b"?")
        with pytest.raises(Violation, match="fin"):
            list(until_the_end(client))
