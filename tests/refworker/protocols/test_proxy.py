import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.proxy import MAX_HEAD, Negotiation, Refused, http_connect, socks5

HEAD = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"
BOUND = b"\5\0\0\1\x7f\0\0\1\x1f\x90"


def talked(negotiation: Negotiation, *pieces: bytes) -> tuple[bytes, bytes]:
    """All that was said, and what is left behind the proxy's last word."""
    said = next(negotiation)
    try:
        for piece in pieces:
            said += negotiation.send(piece)
    except StopIteration as end:
        return said, end.value
    raise AssertionError("the negotiation goes on")


def cut(stream: bytes, positions: list[int]) -> list[bytes]:
    places = sorted({position % len(stream) for position in positions} - {0})
    return [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True)]


def test_an_http_proxy_is_asked_for_a_tunnel() -> None:
    said, behind = talked(http_connect("[::1]:80", "Basic eDp5"), HEAD + b"first words")
    assert said == b"CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\nProxy-Authorization: Basic eDp5\r\n\r\n"
    assert behind == b"first words"


@given(st.lists(st.integers(0, 1000), max_size=5))
def test_an_answer_may_come_in_any_pieces(positions: list[int]) -> None:
    assert talked(http_connect("x:1"), *cut(HEAD, positions))[1] == b""


@pytest.mark.parametrize("status", [b"HTTP/1.0 200\r\n\r\n", b"HTTP/1.1 204 No Content\n\n"])
def test_every_success_opens_the_tunnel(status: bytes) -> None:
    assert talked(http_connect("x:1"), status)[1] == b""


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407 Proxy Authentication Required"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "answers 101"),
        (b"SSH-2.0-x\r\n\r\n", "is no HTTP"),
        (b"HTTP/1.1 2000 x\r\n\r\n", "is no HTTP"),
        (b"x" * (MAX_HEAD + 1), "no end in"),
        (b"", "closed the connection"),
    ],
)
def test_anything_else_is_a_refusal(answer: bytes, cause: str) -> None:
    with pytest.raises(Refused, match=cause):
        talked(http_connect("x:1"), answer, b"")


@given(st.lists(st.integers(0, 1000), max_size=5))
def test_a_socks_proxy_is_asked_for_a_name(positions: list[int]) -> None:
    said, behind = talked(socks5("example.org", 258), b"\5", b"\0", *cut(BOUND, positions))
    assert said == b"\5\1\0" + b"\5\1\0\3\x0bexample.org\1\2"
    assert behind == b""


def test_a_socks_proxy_may_want_a_password() -> None:
    said, behind = talked(socks5("h", 1, "me", "secret"), b"\5\2", b"\1\0", BOUND + b"!")
    assert said == b"\5\2\0\2" + b"\1\2me\6secret" + b"\5\1\0\3\1h\0\1"
    assert behind == b"!"


def test_a_socks_proxy_that_wants_none_gets_none() -> None:
    said, _ = talked(socks5("h", 1, "me", "secret"), b"\5\0", BOUND)
    assert b"secret" not in said


@pytest.mark.parametrize("bound", [b"\1\0\0\0\0\0\0", b"\4" + bytes(18), b"\3\2ab\0\0"])
def test_every_kind_of_bound_address_is_skipped(bound: bytes) -> None:
    assert talked(socks5("h", 1), b"\5\0", b"\5\0\0" + bound + b"rest")[1] == b"rest"


@pytest.mark.parametrize(
    ("answers", "cause"),
    [
        ([b"\5\xff"], "no way to log in"),
        ([b"\5\2"], "no way to log in"),
        ([b"HT"], "no SOCKS5"),
        ([b"\5\0", b"\5\5\0\1\0\0\0\0\0\0"], "connection refused"),
        ([b"\5\0", b"\5\x63\0\1\0\0\0\0\0\0"], "reply 99"),
        ([b"\5\0", b"HTTP"], "no SOCKS5"),
        ([b"\5", b""], "closed the connection"),
    ],
)
def test_a_socks_refusal_says_why(answers: list[bytes], cause: str) -> None:
    with pytest.raises(Refused, match=cause):
        talked(socks5("h", 1), *answers)


def test_a_wrong_password_is_a_refusal() -> None:
    with pytest.raises(Refused, match="does not accept this user"):
        talked(socks5("h", 1, "me", "wrong"), b"\5\2", b"\1\1")


def test_a_name_that_does_not_fit_is_a_refusal() -> None:
    with pytest.raises(Refused, match="255 bytes of a name, not 256"):
        talked(socks5("x" * 256, 1), b"\5\0")
