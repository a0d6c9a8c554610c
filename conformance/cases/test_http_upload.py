"""HTTP: uploads (RFC 7578; RFC 2046, section 5.1; contract, section 2, `/upload`; HAPI-003).

A form is cut into its parts by a line that its client has chosen. Everything else is content: line ends, and
all that only resembles that line. Where the segments of the stream end has nothing to do with any of it.
"""

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.case import Violation, case
from conformance.cases.abreast import bytewise
from conformance.cases.browsing import OK, Requests, dozen, due, each, each_refused, greet, same
from conformance.cases.patience import little_at_most
from conformance.exploration import explore
from conformance.strategies import splits
from conformance.target.canary import SETTLE
from conformance.target.process import wait_until
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, chunks, request
from conformance.wire.http_responses import Response, read
from conformance.wire.multipart import BOUNDARY, Part, entry, field, file, form, form_type
from conformance.wire.peer import Peer

LISTED = {"listed": "pass"}
REFUSED = {"refused": "pass", "other-status": "weak", "dropped": "weak"}
TOO_MANY = {"listed": "pass", "refused": "pass"}

DASH = b"--" + BOUNDARY.encode()
END = b"\r\n" + DASH
SMALL = [field("a", b"1"), file("f", "x.txt", b"\r\n--\r\n", "text/x")]
KIB = 1024

LIKE_BOUNDARIES = {
    "half of it behind a line end": b"\r\n" + DASH[:-1],
    "half of it, then its end": b"\r\n" + DASH[:9] + b"\r\n" + DASH[:9] + b"--\r\n",
    "without a line end before it": b"x" + DASH + b"\r\n",
    "behind a CR alone": b"\r" + DASH + b"\r",
    "behind the line end that it might have": b"\r\n\r\n" + DASH[1:],
    "dashes": b"\r\n--\r\n----\r\n-",
    "its text without dashes": b"\r\n" + BOUNDARY.encode() + b"\r\n",
    "in capitals": b"\r\n" + DASH.upper() + b"\r\n",
}
CONTENTS = {
    "nothing": b"",
    "a line end": b"\r\n",
    "line ends": b"\r\n\r\n\r\n",
    "ends in CR": b"text\r",
    "ends in LF": b"text\n",
    "begins with a line end": b"\r\ntext",
    "like a head": b'Content-Disposition: form-data; name="b"\r\n\r\n1',
    "like a request": request("GET", "/"),
    "blanks": b"  \t ",
}


def upload(body: bytes, *fields: str, kind: str | None = None) -> bytes:
    """A request with this body, whose type is a form's."""
    return request("POST", "/upload", kind or form_type(), *fields, body=body)


def listed(response: Response, parts: Sequence[Part]) -> str:
    """All parts and nothing else are listed, in order."""
    seen = due(response, OK).json
    same("parts", len(parts), len(seen) if isinstance(seen, list) else seen)
    for part, one in zip(parts, seen, strict=True):
        same(
            "part", part.entry, {name: one.get(name) for name in part.entry} if isinstance(one, dict) else one
        )
    return "listed"


def _all_listed(target: Target, forms: Mapping[str, tuple[bytes, Sequence[Part]]]) -> str:
    """Each of these requests, one behind the other on one connection."""
    with target.connect() as peer:
        for name, (data, parts) in forms.items():
            peer.send(data)
            try:
                listed(read(peer), parts)
            except Violation as violation:
                raise Violation(violation.outcome, f"{name}: {violation.detail}") from violation
        greet(peer)
    return "listed"


# --- contents --------------------------------------------------------------------------------------------


@case("http/upload/fields-and-files", service="http", requirements=("HAPI-003",), accept=LISTED)
def test_fields_and_files(target: Target) -> str:
    """A form as browsers send it: fields, files of several types, two of one name."""
    parts = [
        field("text", b"some text"),
        file("photo", "photo.jpg", bytes(range(256)) * 8, "image/jpeg"),
        file("notes", "notes.txt", b"line\r\nline\r\n", "text/plain"),
        file("many", "1.bin", b"1"),
        file("many", "2.bin", b"2"),
        field("last", "letters beyond ASCII: é 文".encode()),
    ]
    return _all_listed(target, {"form": (upload(form(parts)), parts)})


@case("http/upload/contents", service="http", requirements=("HAPI-003",), accept=LISTED)
def test_contents(target: Target) -> str:
    """Contents of line ends and of nothing, and such as look like a head or a request."""
    return _each_content(target, CONTENTS)


@case("http/upload/octets", service="http", requirements=("HAPI-003",), accept=LISTED)
def test_octets(target: Target) -> str:
    """Every octet in a file."""
    parts = [file("a", "a", bytes(range(256))), file("b", "b", bytes(range(255, -1, -1)) * 3)]
    return _all_listed(target, {"form": (upload(form(parts)), parts)})


@case("http/upload/octets-in-a-field", service="http", requirements=("HAPI-003",), accept=LISTED)
def test_octets_in_a_field(target: Target) -> str:
    """Every octet in a part without a file name, which some take for text."""
    parts = [field("a", bytes(range(256)))]
    return _all_listed(target, {"form": (upload(form(parts)), parts)})


@case("http/upload/like-boundaries", service="http", requirements=("HAPI-003",), accept=LISTED)
def test_like_boundaries(target: Target) -> str:
    """Contents that resemble the boundary, but are none: a boundary is a line of its own."""
    return _each_content(target, LIKE_BOUNDARIES)


@case("http/upload/bare-line-feeds", service="http", requirements=("HAPI-003",), accept=LISTED)
def test_bare_line_feeds(target: Target) -> str:
    """The boundary behind a bare LF is content, too: the line end is CRLF (RFC 2046, section 5.1.1)."""
    return _each_content(
        target, {"LF": b"text\n" + DASH + b"\ntext", "at its end": b"text\n" + DASH + b"--\n"}
    )


def _each_content(target: Target, contents: dict[str, bytes]) -> str:
    """Each content as a file and as a field, between two other parts."""
    forms = {}
    for name, content in contents.items():
        parts = [
            field("before", b"1"),
            file("file", "x", content),
            field("field", content),
            field("behind", b"2"),
        ]
        forms[name] = upload(form(parts)), parts
    return _all_listed(target, forms)


@case(
    "http/upload/empty-file-input",
    service="http",
    requirements=("HAPI-003",),
    accept={"listed": "pass", "no-name": "pass"},
)
def test_empty_file_input(target: Target) -> str:
    """A file that nobody has chosen has an empty name and no octets; it is a part as well."""
    part = file("file", "", b"")
    with target.connect() as peer:
        peer.send(upload(form([field("a", b"1"), part, field("b", b"2")])))
        seen = due(read(peer), OK).json
    same("parts", 3, len(seen))
    same("length", 0, seen[1].get("length"))
    return "listed" if seen[1].get("filename") == "" else "no-name"


# --- segments --------------------------------------------------------------------------------------------


@case("http/upload/cut-anywhere", service="http", requirements=("HAPI-003",), accept=LISTED)
def test_cut_anywhere(target: Target) -> str:
    """A form in two segments, cut at every place, and in a dozen, cut at random."""
    stream = upload(form(SMALL))
    requests: Requests = {f"cut at {at}": [stream[:at], stream[at:]] for at in range(1, len(stream))}
    random = target.random
    dozens: Requests = {f"a dozen, {number}": dozen(random, stream) for number in range(20)}
    return each(target, {**requests, **dozens}, _lists_small, LISTED)


def _lists_small(peer: Peer) -> str:
    return listed(read(peer), SMALL)


@case("http/upload/in-chunks", service="http", requirements=("HAPI-003",), accept=LISTED)
def test_in_chunks(target: Target) -> str:
    """The same form in chunked coding, cut into two chunks at every place, and into chunks of one octet."""
    body, start = form(SMALL), request("POST", "/upload", form_type(), CHUNKED)
    forms = {f"cut at {at}": start + chunks(body[:at], body[at:]) for at in range(1, len(body))}
    forms["octets"] = start + chunks(*bytewise(body))
    return _all_listed(target, {name: (data, SMALL) for name, data in forms.items()})


@case("http/upload/any-form", service="http", requirements=("HAPI-003",), accept=LISTED, explores=True)
def test_any_form(target: Target) -> str:
    """Generated forms in generated segments, made of what parsers stumble over."""

    def check(example: tuple[list[Part], list[bytes]]) -> None:
        parts, segments = example
        with target.connect() as peer:
            peer.send(*segments)
            listed(read(peer), parts)

    explore(target, _forms(), check, examples=30)
    return "listed"


def _forms() -> SearchStrategy[tuple[list[Part], list[bytes]]]:
    """No content has a boundary in it, or begins with one, whose line end may be that of the head."""
    crumbs = st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", DASH[:-1], DASH[2:], b"x", b"\x00", b":"])
    contents = st.lists(crumbs, max_size=8).map(b"".join).filter(lambda each: END not in b"\r\n" + each)
    part = st.one_of(
        contents.map(lambda each: field("a", each)), contents.map(lambda each: file("f", "n", each))
    )
    return st.lists(part, min_size=1, max_size=4).flatmap(
        lambda parts: splits(upload(form(parts))).map(lambda segments: (parts, segments))
    )


# --- spellings -------------------------------------------------------------------------------------------


@case("http/upload/spellings", service="http", requirements=("HAPI-003",), accept=LISTED)
def test_spellings(target: Target) -> str:
    """Boundaries in quotes, short and long, no line end behind the last, blanks behind each."""
    longest = "b" * 70
    kind = "Content-Type: multipart/form-data"
    bodies = {
        "in quotes": upload(form(SMALL), kind=form_type(f'"{BOUNDARY}"')),
        "one character": upload(form(SMALL, "x"), kind=form_type("x")),
        "seventy characters": upload(form(SMALL, longest), kind=form_type(longest)),
        "signs that need quotes": upload(form(SMALL, "a:b=c/d?e"), kind=form_type('"a:b=c/d?e"')),
        "type in capitals": upload(
            form(SMALL), kind=f"content-type: Multipart/Form-Data; Boundary={BOUNDARY}"
        ),
        "another parameter": upload(form(SMALL), kind=f"{kind}; charset=utf-8; boundary={BOUNDARY}"),
        "no line end behind it": upload(form(SMALL, epilogue=b"")),
        "blanks": upload(form(SMALL, padding=b" \t")),
    }
    return _all_listed(target, {name: (data, SMALL) for name, data in bodies.items()})


@case("http/upload/around", service="http", requirements=("HAPI-003",), accept=LISTED)
def test_around(target: Target) -> str:
    """What stands before the first boundary and behind the last one is no part (RFC 2046, section 5.1.1)."""
    bodies = {
        "preamble": upload(form(SMALL, preamble=b"to be ignored\r\n")),
        "epilogue": upload(form(SMALL, epilogue=b"\r\nto be ignored")),
    }
    return _all_listed(target, {name: (data, SMALL) for name, data in bodies.items()})


@case("http/upload/heads-of-parts", service="http", requirements=("HAPI-003",), accept=LISTED)
def test_heads_of_parts(target: Target) -> str:
    """Names of header fields in any case and order, values with and without quotes, fields nobody knows."""
    wanted = entry("a", "f.txt", b"1", "text/x")
    kind, named = "Content-Type: text/x", 'Content-Disposition: form-data; name="a"; filename="f.txt"'
    heads = {
        "in small letters": [named.replace("Content-D", "content-d"), kind.lower()],
        "type first": [kind, named],
        "file name first": ['Content-Disposition: form-data; filename="f.txt"; name="a"', kind],
        "without quotes": [named.replace('"', ""), kind],
        "other fields": ["X-A: b", named, kind, "X-Z: y"],
        "without blanks": [named.replace(" ", ""), kind.replace(" ", "")],
    }
    forms = {name: [Part(lines, b"1", wanted)] for name, lines in heads.items()}
    return _all_listed(target, {name: (upload(form(parts)), parts) for name, parts in forms.items()})


@case(
    "http/upload/names",
    service="http",
    requirements=("HAPI-003",),
    accept={"listed": "pass", "otherwise": "weak"},
)
def test_names(target: Target) -> str:
    """Names with blanks, signs and UTF-8, as browsers send them (a quote as %22, or escaped)."""
    names = ("with blanks", "semi;colon", "equals=sign", "naïve 文", "brackets[]", "apostrophe's")
    parts = [file(name, f"{name}.txt", b"1") for name in names]
    with target.connect() as peer:
        peer.send(upload(form(parts)))
        seen = due(read(peer), OK).json
        same("parts", len(parts), len(seen))
        greet(peer)
    return "listed" if [each["name"] for each in seen] == list(names) else "otherwise"


# --- sizes -----------------------------------------------------------------------------------------------


@case("http/upload/big-files", service="http", requirements=("HAPI-003",), accept=LISTED)
def test_big_files(target: Target) -> str:
    """Hundreds of KiB in one file and in several, by length and in chunks."""
    big = target.random.randbytes(400 * KIB)
    parts = [file("a", "a", big), field("b", b"between"), file("c", "c", big[: 300 * KIB])]
    in_chunks = request("POST", "/upload", form_type(), CHUNKED) + chunks(*_pieces(form(parts), 50_000))
    return _all_listed(target, {"length": (upload(form(parts)), parts), "chunks": (in_chunks, parts)})


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@case("http/upload/hundred-parts", service="http", requirements=("HAPI-003",), accept=LISTED)
def test_hundred_parts(target: Target) -> str:
    """A hundred parts, some of one name."""
    parts = [field(f"n{number % 70}", str(number).encode()) for number in range(100)]
    return _all_listed(target, {"form": (upload(form(parts)), parts)})


@case("http/upload/very-many-parts", service="http", requirements=("HAPI-003",), accept=TOO_MANY)
def test_very_many_parts(target: Target) -> str:
    """Twelve hundred parts are listed, or refused with 4xx; the service goes on either way."""
    parts = [field("n", b"1") for _ in range(1200)]
    with target.connect() as peer:
        peer.send(upload(form(parts)))
        response = read(peer)
    return "refused" if 400 <= response.status < 500 else listed(response, parts)


# --- what it costs, and what is left ---------------------------------------------------------------------

REMOVED = {"removed": "pass"}
MANY = 90
"""Parts of a form, of which a copy for each part would be seen."""


@case(
    "http/upload/little-memory",
    service="http",
    requirements=("HAPI-003",),
    accept={"bounded": "pass"},
    needs=("process", "limits.max_package_size"),
)
def test_little_memory(target: Target) -> str:
    """A form of many parts, as large as one may be, costs not many times its size."""
    size = target.limits["max_package_size"] // MANY - KIB // 2
    parts = [file("f", "n", bytes([number]) * size) for number in range(MANY)]
    with little_at_most(target):
        _all_listed(target, {"form": (upload(form(parts)), parts)})
    return "bounded"


@case(
    "http/upload/temporary-files",
    service="http",
    requirements=("HAPI-003",),
    accept=REMOVED,
    needs=("process",),
)
def test_temporary_files(target: Target) -> str:
    """Nothing is left among the temporary files when an upload is answered."""
    before = _temporary(target)
    parts = [field("a", bytes(200 * KIB)), file("b", "b", b"1"), file("c", "c", bytes(400 * KIB))]
    _all_listed(target, {"form": (upload(form(parts)), parts)})
    return _removed(target, before)


@case(
    "http/upload/left-in-the-middle",
    service="http",
    requirements=("HAPI-003",),
    accept=REMOVED,
    needs=("process",),
)
def test_left_in_the_middle(target: Target) -> str:
    """Nothing is left among them of uploads whose clients go in the middle: by RST, by FIN, by a mistake."""
    before = _temporary(target)
    body = form([file("f", "n", bytes(700 * KIB))])
    half = upload(body)[: 350 * KIB]
    wrong = request("POST", "/upload", form_type(), CHUNKED) + chunks(body[: 350 * KIB])[:-5] + b"x\r\n"
    with target.connect() as resetting, target.connect() as finishing, target.connect() as mistaken:
        resetting.send(half)
        resetting.reset()
        finishing.send(half)
        finishing.finish()
        finishing.rest()
        mistaken.send(wrong)
        mistaken.rest()
    return _removed(target, before)


def _temporary(target: Target) -> set[str]:
    """What the target has among its temporary files."""
    return {str(path) for path in target.copy.folder.temporary.rglob("*") if path.is_file()}


def _removed(target: Target, before: set[str]) -> str:
    """What was not there before goes in the time that a target has to clear up."""
    if not wait_until(lambda: _temporary(target) <= before, SETTLE):
        raise Violation("left", f"temporary files: {sorted(_temporary(target) - before)[:3]}")
    return "removed"


# --- malformed -------------------------------------------------------------------------------------------

HEADS = {
    "no name": ["Content-Disposition: form-data"],
    "no disposition": ["Content-Type: text/plain"],
    "no head at all": [],
}


@case("http/upload/malformed", service="http", requirements=("HAPI-003",), accept=REFUSED)
def test_malformed(target: Target) -> str:
    """Forms without their end, without a boundary, and parts that are cut off in the head."""
    whole = form(SMALL)
    end = whole.rindex(DASH)
    bodies = {
        "no end": whole[:end],
        "end without its dashes": whole[: end + len(DASH)] + b"\r\n",
        "cut in a content": whole[: end - 5],
        "cut in a head": whole[: whole.index(b"name=")],
        "no boundary in it": b"text\r\n",
        "another boundary": form(SMALL, "another"),
        "nothing": b"",
    }
    return each_refused(target, {name: upload(body) for name, body in bodies.items()}, 400)


@case("http/upload/no-form", service="http", requirements=("HAPI-003",), accept=REFUSED)
def test_no_form(target: Target) -> str:
    """Types that are no form's, a form's without a boundary, and no type at all."""
    kinds = {
        "no boundary": "Content-Type: multipart/form-data",
        "empty boundary": "Content-Type: multipart/form-data; boundary=",
        "a text": f"Content-Type: text/plain; boundary={BOUNDARY}",
    }
    requests = {name: upload(form(SMALL), kind=kind) for name, kind in kinds.items()}
    requests["no type"] = request("POST", "/upload", body=form(SMALL))
    return each_refused(target, requests, 400, 415)


@case("http/upload/nameless-parts", service="http", requirements=("HAPI-003",), accept=REFUSED)
def test_nameless_parts(target: Target) -> str:
    """Parts without a name: every part of a form has one (RFC 7578, section 4.2)."""
    forms = {name: form([field("a", b"1"), Part(lines, b"2", {})]) for name, lines in HEADS.items()}
    return each_refused(target, {name: upload(body) for name, body in forms.items()}, 400)


@case(
    "http/upload/too-large",
    service="http",
    requirements=("HAPI-003",),
    accept=REFUSED,
    needs=("limits.max_package_size",),
)
def test_too_large(target: Target) -> str:
    """A form with a file that is larger than a body may be is refused."""
    body = form([file("f", "n", bytes(target.limits["max_package_size"]))])
    return each_refused(target, {"length": upload(body)}, 413)
