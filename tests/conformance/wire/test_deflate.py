"""permessage-deflate from the client's side: strict about answers, exact about windows."""

import zlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.outcomes import Violation
from conformance.wire.blocks import farthest, fixed, stored
from conformance.wire.deflate import NAME, Agreement, Deflate, Recipe, agreed, deflate, inflate

NOISE = Random(0).randbytes(40_000)
HELLO = bytes.fromhex("f248cdc9c90700")


# --- negotiation -----------------------------------------------------------------------------------------


def test_no_answer_is_no_agreement() -> None:
    assert agreed(NAME, []) is None
    assert agreed("", []) is None


@pytest.mark.parametrize(
    ("offers", "answer", "agreement"),
    [
        ("", "", Agreement()),
        ("", "; server_no_context_takeover", Agreement(server_no_context_takeover=True)),
        ("", "; client_no_context_takeover", Agreement(client_no_context_takeover=True)),
        ("", "; server_max_window_bits=10", Agreement(server_max_window_bits=10)),
        ("; server_max_window_bits=10", "; server_max_window_bits=9", Agreement(server_max_window_bits=9)),
        ("; server_max_window_bits=15", "; server_max_window_bits=15", Agreement()),
        ("; server_max_window_bits=15", "", Agreement(outspoken=False)),
        ("; client_max_window_bits", "", Agreement()),
        ("; client_max_window_bits", "; client_max_window_bits=8", Agreement(client_max_window_bits=8)),
        ("; client_max_window_bits=10", "", Agreement(client_max_window_bits=10)),
        ("; client_max_window_bits=10", "; client_max_window_bits=12", Agreement(client_max_window_bits=10)),
        (
            '; client_max_window_bits="10"',
            '; client_max_window_bits="9"',
            Agreement(client_max_window_bits=9),
        ),
        (f"; foo, {NAME}", "", Agreement()),
        (
            f"; server_max_window_bits=9, {NAME}",
            "; server_max_window_bits=12",
            Agreement(server_max_window_bits=12),
        ),
    ],
)
def test_agreements(offers: str, answer: str, agreement: Agreement) -> None:
    assert agreed(NAME + offers, [NAME + answer]) == agreement


@pytest.mark.parametrize(
    ("offers", "answers"),
    [
        ("", [NAME]),
        ("x-unknown", [NAME]),
        (NAME, ["x-unknown"]),
        (NAME, [NAME, NAME]),
        (NAME, [f"{NAME}, {NAME}"]),
        (NAME, [f"{NAME}; foo"]),
        (NAME, [f"{NAME}; server_no_context_takeover; server_no_context_takeover"]),
        (NAME, [f"{NAME}; server_no_context_takeover=1"]),
        (NAME, [f"{NAME}; server_max_window_bits"]),
        (NAME, [f"{NAME}; server_max_window_bits=7"]),
        (NAME, [f"{NAME}; server_max_window_bits=010"]),
        (NAME, [f"{NAME}; client_max_window_bits=10"]),
        (NAME, [f"{NAME};"]),
        (f"{NAME}; client_max_window_bits", [f"{NAME}; client_max_window_bits"]),
        (f"{NAME}; server_max_window_bits=10", [f"{NAME}; server_max_window_bits=11"]),
        (f"{NAME}; server_max_window_bits=10", [NAME]),
        (f"{NAME}; server_no_context_takeover", [NAME]),
        (f"{NAME}; foo", [NAME]),
    ],
)
def test_answers_to_fail_for(offers: str, answers: list[str]) -> None:
    with pytest.raises(Violation, match="wrong-answer"):
        agreed(offers, answers)


# --- messages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        HELLO,
        bytes.fromhex("000500faff48656c6c6f00"),
        bytes.fromhex("f348cdc9c9070000"),
        bytes.fromhex("f248050000 00ffffcac9c90700"),
        stored(b"Hello") + b"\1",
        stored(b"He", final=True) + fixed(b"llo", final=True),
    ],
)
def test_the_examples_of_the_rfc(payload: bytes) -> None:
    assert inflate(payload) == b"Hello"


def test_the_windows_reach_into_the_messages_before() -> None:
    assert inflate(bytes.fromhex("f200110000"), b"Hello") == b"Hello"
    assert inflate(fixed(b"a", final=True)[:-1] + fixed((3, 2)), b"b") == b"abab"


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"\x06", b"\xff\xff\xff", HELLO[:3], HELLO[:-1], HELLO + b"\0\0\xff\xff", fixed((3, 1))),
        *(
            stored(b"Hello"),
            stored(b"Hello")[:-2],
            bytes.fromhex("f348cdc9c90700ff"),
            b"\x00\x05\x00\xfa\xff",
        ),
    ],
)
def test_no_messages(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        inflate(payload)


def test_a_reference_beyond_the_window() -> None:
    payload = stored(NOISE[:1025]) + fixed((3, 1025))
    assert inflate(payload, bits=11) == NOISE[:1025] + NOISE[:3]
    with pytest.raises(ValueError, match="1025 bytes back, the window has 1024"):
        inflate(payload, bits=10)


@given(st.binary(max_size=2000), st.integers(8, 15), st.integers(0, 9), st.integers(0, 4), st.booleans())
def test_there_and_back(message: bytes, bits: int, level: int, strategy: int, final: bool) -> None:
    recipe = Recipe(level=level, strategy=strategy, cuts=(1, 500), flush=zlib.Z_FULL_FLUSH, final=final)
    assert inflate(deflate(message, b"", bits, recipe), b"", bits) == message


@pytest.mark.parametrize("bits", range(8, 16))
def test_our_own_references_stay_within_the_window(bits: int) -> None:
    content = NOISE[: (1 << bits) + 5] * 2 + NOISE[:200] * 3
    payload = deflate(content, NOISE, bits)
    assert 0 < farthest(payload) <= 1 << bits
    assert inflate(payload, NOISE, bits) == content


def test_both_ends_of_a_connection() -> None:
    client, target = Deflate(Agreement()), Deflate(Agreement())
    payloads = [client.deflate(b"the same words again") for _ in range(2)]
    assert [target.inflate(payload) for payload in payloads] == [b"the same words again"] * 2
    assert len(payloads[1]) < len(payloads[0])


def test_without_takeover_nothing_is_remembered() -> None:
    client = Deflate(Agreement(client_no_context_takeover=True, server_no_context_takeover=True))
    assert client.deflate(b"the same words again") == client.deflate(b"the same words again")
    assert client.inflate(HELLO) == b"Hello"
    with pytest.raises(Violation, match="too far back"):
        client.inflate(bytes.fromhex("f200110000"))


def test_what_was_made_by_hand_is_remembered_until_a_restart() -> None:
    client = Deflate(Agreement())
    whole = len(client.deflate(b"the same words again"))
    client.restart()
    client.note(b"the same words again")
    assert len(client.deflate(b"the same words again")) < whole
    client.restart()
    assert len(client.deflate(b"the same words again")) == whole


def test_a_bomb_of_the_target_is_refused() -> None:
    part = zlib.compressobj(9, zlib.DEFLATED, -15)
    mebibyte = part.compress(bytes(1 << 20)) + part.flush(zlib.Z_FULL_FLUSH)
    with pytest.raises(ValueError, match="more than"):
        inflate(mebibyte * 65 + b"\0")
