import pytest

from refworker.protocols.http import manner
from refworker.protocols.http.grammar import Refused
from refworker.protocols.http.manner import CLOSE, DECISIVE, KEEP_ALIVE, KEPT, KEPT_SIZE, Manner, manner_of


def read(fields: bytes, minor: bytes = b"1", host: bytes = b"Host: a\r\n") -> Manner:
    return manner_of((minor, tuple(DECISIVE.findall(b"\n" + host + fields))))


def refused(fields: bytes, minor: bytes = b"1", host: bytes = b"Host: a\r\n") -> int:
    with pytest.raises(Refused) as refusal:
        read(fields, minor, host)
    return refusal.value.status


def test_the_plainest_request() -> None:
    assert read(b"Accept: */*\r\nCost: 1\r\n") == Manner("1.1", "a", 0, False, True, False, False, True, b"")


def test_names_in_any_case_and_values_without_blanks() -> None:
    read_well = read(b"cOnTeNt-LeNgTh:\t 05 \r\nCONNECTION:x , CLOSE\t\r\n", host=b"hOsT: b:80 \t\r\n")
    assert (read_well.host, read_well.length, read_well.keep_alive) == ("b:80", 5, False)
    assert read_well.tail == CLOSE
    assert read(b"transfer-encoding: \tChUnKeD \r\n").chunked


@pytest.mark.parametrize(
    ("fields", "minor", "kept"),
    [
        (b"", b"1", True),
        (b"", b"2", True),
        (b"", b"0", False),
        (b"Connection: keep-alive\r\n", b"0", True),
        (b"Connection: keep-alive, close\r\n", b"1", False),
        (b"Connection: keep-alive, close\r\n", b"0", False),
        (b"Connection: keep-alive\r\nConnection: Close\r\n", b"1", False),
        (b"Connection: closed\r\n", b"1", True),
    ],
)
def test_whether_the_connection_stays(fields: bytes, minor: bytes, kept: bool) -> None:
    assert read(fields, minor).keep_alive is kept
    assert read(fields, minor).tail == (CLOSE if not kept else KEEP_ALIVE if minor == b"0" else b"")


@pytest.mark.parametrize(
    "host", [b"a", b"a:", b"a:80", b"[::1]", b"[::1]:8080", b"a.b-c_d~", b"%41", b"1.2.3.4"]
)
def test_hosts(host: bytes) -> None:
    assert read(b"", host=b"Host: " + host + b"\r\n").host == host.decode()


@pytest.mark.parametrize(
    "host", [b"", b"a b", b"a/b", b"u@a", b"a, b", b"a:x1", b'a"b', b"a\\b", b"[::1", b":80"]
)
def test_hosts_that_are_refused(host: bytes) -> None:
    assert refused(b"", host=b"Host: " + host + b"\r\n") == 400


def test_how_many_hosts() -> None:
    assert refused(b"", host=b"") == 400
    assert refused(b"host: a\r\n") == 400
    assert refused(b"Host: a\r\n", b"0") == 400
    assert read(b"", b"0", host=b"").host == ""


LENGTHS = (b"+5", b"-5", b"-0", b"0_5", b"0x5", b"5 5", b"", b"5Z", b"\xb2", b"5.0", b"5, 5", b"5,6")


@pytest.mark.parametrize("value", LENGTHS)
def test_lengths_that_are_refused(value: bytes) -> None:
    assert refused(b"Content-Length: " + value + b"\r\n") == 400


def test_lengths() -> None:
    assert refused(b"Content-Length: 5\r\ncontent-length: 5\r\n") == 400
    assert read(b"Content-Length: 0\r\n").is_plain
    assert read(b"Content-Length: 00010\r\n").length == 10
    assert read(b"Content-Length: %d\r\n" % (2**64 + 5)).length >= 2**63
    assert read(b"Content-Length: " + b"9" * 5000 + b"\r\n").length >= 2**63


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (b"identity", 400),
        (b"chunked, identity", 400),
        (b"xchunked", 400),
        (b'"chunked"', 400),
        (b"chunked chunked", 400),
        (b"\xa0chunked", 400),
        (b"", 400),
        (b"chunked,", 400),
        (b",chunked", 400),
        (b"chunked, chunked", 400),
        (b"chunked;q=1", 400),
        (b"foo, chunked", 400),
        (b"gzip, chunked", 501),
        (b"X-Compress , deflate,chunked", 501),
    ],
)
def test_codings_that_are_refused(value: bytes, status: int) -> None:
    assert refused(b"Transfer-Encoding: " + value + b"\r\n") == status


def test_where_a_coding_must_not_stand() -> None:
    coding = b"Transfer-Encoding: chunked\r\n"
    assert refused(coding + coding) == 400
    assert refused(coding + b"Content-Length: 5\r\n") == 400
    assert refused(b"Content-Length: 5\r\n" + coding) == 400
    assert refused(coding, b"0") == 400


def test_expectations() -> None:
    assert read(b"Expect: 100-CONTINUE\r\n").expects
    assert not read(b"Expect: 100-continue\r\n", b"0").expects
    assert refused(b"Expect: banana\r\n") == 417
    assert not read(b"Expect: banana\r\n", b"0").expects


def test_who_asks_for_a_websocket() -> None:
    upgrade = b"Upgrade: h2c, WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
    assert read(upgrade).upgrades
    assert not read(upgrade).is_plain
    assert not read(upgrade, b"0").upgrades
    assert not read(b"Upgrade: websocket\r\n").upgrades
    assert not read(b"Upgrade: foo/9\r\nConnection: upgrade\r\n").upgrades
    assert not read(upgrade + b"Content-Length: 5\r\n").upgrades


def test_names_with_other_marks_are_other_names() -> None:
    assert read(b"Content_Length: 5\r\nTransfer_Encoding: chunked\r\n").is_plain


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[object, Manner] = {}
    monkeypatch.setattr(manner, "KNOWN", kept)
    for number in range(KEPT + 1):
        read(b"Content-Length: %d\r\n" % number)
    assert len(kept) == 1
    manner_of(b"b" * (KEPT_SIZE + 1))
    assert len(kept) == 1
