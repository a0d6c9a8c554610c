"""Forms: what the standard library reads of them, and that nothing is repaired."""

from email.parser import BytesParser
from email.policy import HTTP

from conformance.wire.multipart import Part, entry, field, file, form, form_type

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_standard_library_reads_it() -> None:
    body = form([field("a", b"1"), file("f", "name.txt", b"x\r\ny", "text/css")])
    message = BytesParser(policy=HTTP).parsebytes(form_type().encode() + b"\r\n\r\n" + body)
    first, second = message.iter_parts()  # type: ignore[attr-defined]
    assert first.get_param("name", header="content-disposition") == "a"
    assert first.get_payload(decode=True) == b"1"
    assert second.get_filename() == "name.txt"
    assert second.get_content_type() == "text/css"
    assert second.get_payload(decode=True) == b"x\r\ny"


def test_entries() -> None:
    assert field("a").entry == entry("a", None, b"")
    assert field("a").entry["sha256"] == EMPTY
    assert file("f", "n", b"12").entry == {**entry("f", "n", b"12"), "type": "application/octet-stream"}


def test_every_octet_is_as_it_is_told() -> None:
    part = Part(["X: y"], b"z", {})
    assert form([part], "b") == b"--b\r\nX: y\r\n\r\nz\r\n--b--\r\n"
    assert form([part], "b", preamble=b"p\r\n", epilogue=b"", padding=b" ") == (
        b"p\r\n--b \r\nX: y\r\n\r\nz\r\n--b-- "
    )
    assert form([]) == b"------boundary7MA4YWxkTrZu0gW--\r\n"
