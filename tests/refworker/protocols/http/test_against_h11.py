"""h11 as judge: what it asks is read as it was meant, and of what is answered it can make sense."""

from typing import Any

import h11
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.http import Chunk, HttpServer, Request, Response
from tests.refworker.protocols.http.hosts import FakeHost, maker
from tests.refworker.protocols.whole import cut, positions

TOKENS = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=8)
VALUES = st.text(" !~\xe9abc:,", max_size=10).map(str.strip)
FIELDS = st.lists(st.tuples(TOKENS.map(lambda name: "x-" + name), VALUES), max_size=5)
TARGETS = st.text("/abc%20?=&;:@", max_size=20).map(lambda rest: "/" + rest)
VERSIONS = st.sampled_from(["1.0", "1.1"])
PARTS = st.lists(st.binary(min_size=1, max_size=30), max_size=4)


def encoded(pairs: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in pairs]


@given(TOKENS, TARGETS, FIELDS, PARTS, st.booleans(), positions)
def test_what_it_asks_is_read_as_it_was_meant(
    method: str, target: str, fields: list[tuple[str, str]], parts: list[bytes], sized: bool, where: list[int]
) -> None:
    client, body = h11.Connection(h11.CLIENT), b"".join(parts)
    framing = ("content-length", str(len(body))) if sized else ("transfer-encoding", "chunked")
    headers = [("host", "a"), *fields, framing]
    stream = client.send(h11.Request(method=method, target=target, headers=encoded(headers))) or b""
    for part in parts:
        stream += client.send(h11.Data(data=part)) or b""
    stream += client.send(h11.EndOfMessage(headers=[] if sized else [("x-trailer", "1")])) or b""
    server = maker()()
    (request,) = [
        item for piece in cut(stream, where) for item in server.feed(piece) if isinstance(item, Request)
    ]
    assert (request.method, request.uri, request.raw_body) == (method, target, body)
    assert request.headers == tuple((name.lower(), value) for name, value in headers)
    assert request.trailers == (() if sized else (("x-trailer", "1"),))


class Asking:
    """A server that was asked by h11, and what h11 makes of the answer."""

    def __init__(self, method: str, version: str) -> None:
        self.client, self.server = h11.Connection(h11.CLIENT), HttpServer(FakeHost(), 1000)
        self.client.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
        self.client.send(h11.EndOfMessage())
        request = f"{method} / HTTP/{version}\r\nHost: a\r\n\r\n".encode()
        assert isinstance(next(iter(self.server.feed(request))), Request)

    def answer(self, messages: list[Any]) -> tuple[h11.Response, bytes]:
        """The response and its body, whole."""
        for message in messages:
            self.client.receive_data(data) if (data := self.server.encode(message)) else None
        if self.server._closing:
            self.client.receive_data(b"")
        response, body = self.client.next_event(), b""
        assert isinstance(response, h11.Response)
        while isinstance(event := self.client.next_event(), h11.Data):
            body += event.data
        assert isinstance(event, h11.EndOfMessage)
        return response, body


@given(
    st.sampled_from(["GET", "HEAD", "POST"]),
    VERSIONS,
    VERSIONS,
    st.sampled_from([200, 201, 204, 304, 404, 500]),
    st.lists(st.tuples(TOKENS.map(lambda name: "x-" + name), VALUES.filter(str.isascii)), max_size=3),
    st.binary(max_size=50),
)
def test_it_understands_answers(
    method: str, asked: str, version: str, status: int, fields: list[tuple[str, str]], body: bytes
) -> None:
    made = Response(status, dict(fields), body).with_protocol_version(version)
    response, found = Asking(method, asked).answer([made])
    assert (response.status_code, response.http_version) == (status, version.encode())
    assert found == (b"" if method == "HEAD" or status in (204, 304) else body)
    given_back = [(name.lower(), value) for name, value in encoded(list(dict(fields).items()))]
    assert given_back == [pair for pair in response.headers if pair[0].startswith(b"x-")]


@given(st.sampled_from(["GET", "HEAD"]), VERSIONS, VERSIONS, PARTS)
def test_it_understands_streams(method: str, asked: str, version: str, parts: list[bytes]) -> None:
    begin = Response(200, {"Transfer-Encoding": "chunked"}).with_protocol_version(version)
    _, body = Asking(method, asked).answer([begin, *map(Chunk, parts), Chunk()])
    assert body == (b"" if method == "HEAD" else b"".join(parts))
