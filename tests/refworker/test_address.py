import pytest

from refworker.address import Address, AddressError, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("text://127.0.0.1:9000", Address("text", "127.0.0.1", 9000)),
        ("TCP://localhost:0", Address("tcp", "localhost", 0)),
        ("ws://example.org/chat?room=1", Address("ws", "example.org", None, "/chat?room=1")),
        ("frame://[::1]:65535", Address("frame", "::1", 65535)),
        ("frame://[::]", Address("frame", "::", None)),
    ],
)
def test_the_parts_of_an_address(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "is no address"),
        ("127.0.0.1:9000", "is no address"),
        ("a-b://x:1", "is no address"),
        ("../x://y:1", "is no address"),
        ("text://", "has no host"),
        ("text://:9000", "has no host"),
        ("text://x:port", "has the port 'port'"),
        ("tcp://x\r\nEvil: 1:80", "control characters"),
        ("tcp://x y:80", "blanks"),
        ("text://x:65536", "has the port '65536'"),
        ("text://x:-1", "has the port '-1'"),
        ("text://x:٣", "has the port"),
        ("text://[::1:9000", "broken IPv6"),
        ("text://[::1]9000", "broken IPv6"),
    ],
)
def test_an_error_names_the_cause(text: str, cause: str) -> None:
    with pytest.raises(AddressError, match=cause):
        parse_address(text)


def test_the_authority_is_what_a_url_has() -> None:
    assert parse_address("ws://[::1]:80/x").authority == "[::1]:80"
    assert parse_address("ws://host/x").authority == "host"


@pytest.mark.parametrize(
    ("text", "transport", "address"),
    [
        ("udp://127.0.0.1:9000", "", Address("tcp", "127.0.0.1", 9000, transport="udp")),
        ("text://127.0.0.1:9000", "udp", Address("text", "127.0.0.1", 9000, transport="udp")),
        ("unix:///run/echo.sock", "", Address("tcp", "", 0, "/run/echo.sock", "unix")),
        ("text:///run/echo.sock", "unix", Address("text", "", 0, "/run/echo.sock", "unix")),
        ("ssl://[::1]:443", "", Address("tcp", "::1", 443, transport="ssl")),
        ("wss://host/chat", "ssl", Address("wss", "host", None, "/chat", "ssl")),
    ],
)
def test_how_the_bytes_travel(text: str, transport: str, address: Address) -> None:
    assert parse_address(text, transport) == address


@pytest.mark.parametrize(
    ("text", "transport", "cause"),
    [
        ("text://127.0.0.1:1", "tpc", "transport 'tpc' is unknown; choose one of tcp, udp, unix, ssl"),
        ("udp://127.0.0.1:1", "ssl", "says udp, transport says ssl"),
        ("unix://run/echo.sock", "", "has no absolute path"),
    ],
)
def test_transports_that_cannot_be_meant(text: str, transport: str, cause: str) -> None:
    with pytest.raises(AddressError, match=cause):
        parse_address(text, transport)
