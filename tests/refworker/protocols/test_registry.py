from typing import Any

import pytest

from refworker.protocols import registry
from refworker.protocols.base import Raw
from refworker.protocols.custom import Custom
from refworker.protocols.frame import Frame
from refworker.protocols.http import HttpServer, Limits
from refworker.protocols.registry import client_codec, register_protocol, server_codec
from refworker.protocols.text import Text
from refworker.protocols.websocket import Deflate, WebSocketClient, WebSocketServer
from tests.refworker.protocols.http.hosts import FakeHost


class Reverse:
    def input(buffer: bytearray) -> int:  # noqa: N805
        return len(buffer)

    def decode(package: bytes) -> bytes:  # noqa: N805
        return package[::-1]

    encode = decode


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_users", {})


class Asking:
    """As much of an outgoing connection as a codec looks at."""

    def asked_for(self) -> list[tuple[str, str]]:
        return [("Cookie", "a=1")]


def client(scheme: str, protocol: Any = None) -> Any:
    return client_codec(scheme, "example.org:8080", "/chat", bytes, protocol)(Asking(), 77)


@pytest.mark.parametrize(("scheme", "codec"), [("tcp", Raw), ("text", Text), ("frame", Frame)])
def test_both_sides_of_a_plain_protocol_are_alike(scheme: str, codec: type) -> None:
    for made in (server_codec(scheme)(None, 77), client(scheme)):
        assert type(made) is codec
        assert made.max_package_size == 77


def test_a_websocket_has_two_sides() -> None:
    server, asking = server_codec("websocket")(None, 77), client("ws")
    assert type(server) is WebSocketServer
    assert type(asking) is WebSocketClient
    assert asking.opening.startswith(b"GET /chat HTTP/1.1\r\nHost: example.org:8080\r\n")
    assert server.max_package_size == asking.max_package_size == 77


def test_the_other_side_is_refused_with_the_cure() -> None:
    with pytest.raises(ValueError, match="listen on websocket://"):
        server_codec("ws")
    with pytest.raises(ValueError, match="connect to ws://"):
        client("websocket")


@pytest.mark.parametrize("scheme", ["nope", ""])
def test_an_unknown_scheme_is_refused_and_the_known_are_named(scheme: str) -> None:
    with pytest.raises(ValueError, match="tcp://, text://, frame://, websocket://"):
        server_codec(scheme)
    with pytest.raises(ValueError, match="tcp://, text://, frame://, ws://"):
        client(scheme)


def test_a_users_protocol_is_given_or_registered() -> None:
    register_protocol("Reverse", Reverse)
    for made in (server_codec("reverse")(None, 9), client("reverse"), server_codec("tcp", Reverse)(None, 9)):
        assert type(made) is Custom
        assert list(made.feed(b"abc")) == [b"cba"]


def test_a_users_protocol_wins_over_ours() -> None:
    register_protocol("text", Reverse)
    assert type(server_codec("text")(None, 9)) is Custom


@pytest.mark.parametrize("scheme", ["", "a-b", "../x", "1a", "ü"])
def test_a_scheme_is_letters_and_digits(scheme: str) -> None:
    with pytest.raises(ValueError, match="cannot be a scheme"):
        register_protocol(scheme, Reverse)


def test_options_for_compression_are_looked_at_before_anybody_comes() -> None:
    with pytest.raises(TypeError, match="deflate is True, False or a Deflate"):
        server_codec("websocket", deflate=9)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="text:// does not compress"):
        server_codec("text", deflate=Deflate())
    assert server_codec("text", deflate=False)


def test_http_is_a_servers_and_knows_limits() -> None:
    limits = Limits(max_header_count=7)
    codec = server_codec("http", limits=limits)(FakeHost(), 99)
    assert isinstance(codec, HttpServer)
    assert codec.max_package_size == 99
    assert codec._limits is limits
    upgraded = codec.upgraded()
    assert isinstance(upgraded, WebSocketServer)
    with pytest.raises(ValueError, match="is not HTTP"):
        server_codec("text", limits=limits)
    with pytest.raises(ValueError, match="http"):
        client_codec("http", "a", "/", bytes)
