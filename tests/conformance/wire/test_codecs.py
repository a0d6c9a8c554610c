"""Text and frame: encoders, and readers that forgive nothing."""

import pytest

from conformance.outcomes import Violation
from conformance.wire import frame, render, text
from tests.conformance.servers import answer_first, peer, serving


def test_text() -> None:
    assert text.encode(b"a", b"", b"b") == b"a\n\nb\n"
    assert text.meaning(b"a\r\n\n\rb\r\r\ntail") == [b"a", b"", b"\rb"]


def test_text_reader_refuses_a_carriage_return() -> None:
    with serving(answer_first(b"one\ntwo\r\n")) as address, peer(address) as client:
        client.send(b"?")
        assert text.read(client) == b"one"
        with pytest.raises(Violation, match="carriage return"):
            text.read(client)


def test_frame() -> None:
    assert frame.encode(b"hi", b"") == b"\0\0\0\6hi\0\0\0\4"
    assert frame.header(frame.LARGEST) == b"\xff\xff\xff\xff"


def test_frame_reader_refuses_an_impossible_length() -> None:
    with serving(answer_first(frame.encode(b"hi") + frame.header(3))) as address, peer(address) as client:
        client.send(b"?")
        assert frame.read(client) == b"hi"
        with pytest.raises(Violation, match="says 3"):
            frame.read(client)


def test_render() -> None:
    assert render.excerpt(b"a\n") == "'a\\n'"
    assert render.excerpt(bytes(100), 2) == "'\\x00\\x00'… (100 bytes)"
    assert render.as_hex(b"\x00\xff") == "00 ff"
    assert render.as_text(b"a\x00b") == "a·b"
    assert render.as_text(b"abc", 2) == "ab…"
