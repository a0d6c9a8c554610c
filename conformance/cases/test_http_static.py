"""HTTP: static files (contract, section 2; WEB-002, WEB-003, WEB-006 to WEB-008, HAPI-007, HAPI-009).

A server of files has one hard duty: a name never leads out of the folder. What lies beside the folder, and
what links lead to, has a content that must not be in whatever comes; see `conformance.target.site`.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from conformance.case import Violation, case
from conformance.cases.browsing import (
    ANSWERED,
    NOT_FOUND,
    OK,
    Requests,
    ask,
    due,
    each,
    get,
    greet,
    hello,
    or_end,
    over,
    publishes,
    same,
    static,
)
from conformance.cases.patience import MEBIBYTE, little_memory
from conformance.target.site import BIG, FILES, HIDDEN, LINKS, SECRET
from conformance.target.view import Target
from conformance.wire.http_requests import CLOSE, Text, request
from conformance.wire.http_responses import Response, read
from conformance.wire.peer import Peer

FOUND = {"found": "pass"}
KEPT = {"kept": "pass"}
SMALL_BUFFER = 8 * 1024
BUFFER = 256 * 1024
HUGE = 512 * MEBIBYTE
"""Octets of a sparse file: it costs nothing to make, and too much to be kept in memory."""


# --- names -----------------------------------------------------------------------------------------------


@case("http/static/whole-files", service="http", requirements=("WEB-002", "HAPI-007"), accept=FOUND)
def test_whole_files(target: Target) -> str:
    """Every file, big, empty, and with any name, one after the other on one connection."""
    publishes(target)
    with target.connect() as peer:
        for name, content in FILES.items():
            if name.endswith("index.html"):
                continue  # some servers want it asked for by its folder
            response = due(ask(peer, "GET", static(name)), OK, content)
            same(f"framing of {name}", "length", response.framing)
        greet(peer)
    return "found"


@case("http/static/spellings", service="http", requirements=("WEB-002",), accept=FOUND)
def test_spellings(target: Target) -> str:
    """A name may be coded more than it has to be, and in either case; a query is no part of it."""
    publishes(target)
    coded = "".join(f"%{byte:02x}" for byte in b"hello.txt")
    names = {
        "all octets coded": (f"/static/{coded}", "hello.txt"),
        "in capitals": (f"/static/{coded.upper()}", "hello.txt"),
        "one octet coded": ("/static/hell%6f.txt", "hello.txt"),
        "a query": ("/static/hello.txt?a=/../secret.txt", "hello.txt"),
        "an empty query": ("/static/hello.txt?", "hello.txt"),
        "a plus is a plus": ("/static/100%25+.txt", "100%+.txt"),
        "UTF-8 in small letters": ("/static/na%c3%afve%20%e6%96%87.txt", "naïve 文.txt"),
        "a folder": ("/static/folder/inner.txt", "folder/inner.txt"),
    }
    with target.connect() as peer:
        for path, name in names.values():
            due(ask(peer, "GET", path), OK, FILES[name])
    return "found"


MISSING: tuple[str, ...] = (
    "missing",
    "missing.css",
    "hello",
    "hello.txt.bak",
    "HELLO.TXT",
    "hell%256f.txt",
    "folder/missing",
    "no/such",
)
MISSING += (
    "hello.txt%20",
    "100%2525+.txt",
    "a%2Bname%2Bwith%2Bblanks.txt",
    "a+name+with+blanks.txt",
)


@case(
    "http/static/missing",
    service="http",
    requirements=("WEB-002",),
    accept={"missing": "pass", "other-status": "weak"},
)
def test_missing(target: Target) -> str:
    """What is not there is 404: near names, names in another case or coded twice, files taken for folders."""
    publishes(target)
    statuses = set()
    with target.connect() as peer:
        for name in MISSING:
            response = ask(peer, "GET", f"/static/{name}")
            if response.status < 400 or response.status >= 500:
                raise Violation("served", f"{name}: 404 was due, {response} came")
            statuses.add(response.status)
        greet(peer)
    return "missing" if statuses == {NOT_FOUND} else "other-status"


@case(
    "http/static/file-as-folder",
    service="http",
    requirements=("WEB-002",),
    accept={"missing": "pass", "served": "weak"},
)
def test_file_as_folder(target: Target) -> str:
    """A file is no folder: neither with a slash behind its name, nor with another name behind that."""
    publishes(target)
    seen = [get(target, f"/static/hello.txt{more}").status for more in ("/", "/inner", "/hello.txt")]
    return "missing" if seen == [NOT_FOUND] * 3 else "served"


@case("http/static/folders", service="http", requirements=("WEB-002", "WEB-008"), accept={"no-list": "pass"})
def test_folders(target: Target) -> str:
    """A folder is its index, a redirect to its slash form, 403 or 404, and never a list of its files."""
    publishes(target)
    requests: Requests = {
        path: request("GET", path, CLOSE)
        for path in (
            "/static/folder",
            "/static/folder/",
            "/static/bare",
            "/static/bare/",
            "/static/",
            "/static",
        )
    }
    return each(target, requests, _no_list, ["no-list"])


def _no_list(peer: Peer) -> str:
    response = read(peer)
    if b"only.txt" in response.body or b"inner.txt" in response.body or b"hello.txt" in response.body:
        raise Violation("listed", f"names of files came: {response}")
    if response.status in {301, 302, 307, 308}:
        same("the redirect ends in a slash", True, (response.get(b"location") or b"").endswith(b"/"))
    elif response.status == OK:
        same("index of the folder", FILES["folder/index.html"], response.body)
    elif response.status not in {403, NOT_FOUND}:
        raise Violation("wrong-answer", f"the index, a redirect, 403 or 404 was due, {response} came")
    return "no-list"


# --- out of bounds ---------------------------------------------------------------------------------------

UP: tuple[str, ...] = (
    "..",
    "%2e%2e",
    ".%2e",
    "%2E.",
    "..%00",
    "%2e%2e%00",
    "%252e%252e",
    "..;",
    "....",
    "..%20",
)
UP += ("%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%uff0e%uff0e")
"""A step up, as one server or another has understood it: coded twice, with NUL, in overlong UTF-8."""

SLASH = ("/", "%2f", "%2F", "%5c", "\\", "//", "/./", "%252f", "%c0%af", "%00/")
NEIGHBOURS: tuple[Text, ...] = (
    "/static../secret.txt",
    "/static..%2fsecret.txt",
    "/static.txt",
    "/static-secret/s.txt",
    "/secret.txt",
    "/../secret.txt",
    "/static/hello.txt/../../secret.txt",
    "/static/hello.txt%00/../../secret.txt",
    "/static/no/../../secret.txt",
    "/static/..%5c..%5csecret.txt",
    "/static/..//..//secret.txt",
    "/static/\xc0\xae\xc0\xae/secret.txt",
    b"/static/\xff\xfe/../../secret.txt",
)


def _escapes(folder: Path) -> dict[str, Text]:
    """Targets that would lead out of the folder, were they taken for paths in one way or another."""
    paths = [f"/static/{up}{slash}secret.txt" for up in UP for slash in SLASH]
    paths += [f"/static/folder/..{slash}{up}{slash}static-secret/s.txt" for up in UP for slash in SLASH]
    paths += [f"/static/folder/{up}/{up}/secret.txt" for up in UP]
    absolute = str(folder / "secret.txt")
    paths += [f"/static/{absolute}", f"/static{absolute}", f"/static/{quote(absolute, '')}"]
    paths += [f"/static/file:{absolute}", f"/static/~/../..{absolute}", f"/static/%00{absolute}"]
    return {repr(path): path for path in (*paths, *NEIGHBOURS)}


@case("http/static/containment", service="http", requirements=("WEB-003",), accept=KEPT)
def test_containment(target: Target) -> str:
    """Three hundred ways out of the folder."""
    publishes(target)
    targets = _escapes(target.copy.folder.path)
    return each(target, {name: request("GET", path, CLOSE) for name, path in targets.items()}, _kept, KEPT)


def _kept(peer: Peer) -> str:
    """Whatever comes does not have it, and is no failure of the server."""
    seen = peer.rest()
    if SECRET in seen:
        raise Violation("leaked", "the content of a file outside the folder came")
    if re.match(rb"HTTP/1.[01] 50[0234]", seen):
        raise Violation("failed", f"the server failed: {seen[:40]!r}")
    if not peer.ended:
        raise Violation("open", "the connection had to be closed, and stays open")
    return "kept"


@case(
    "http/static/links",
    service="http",
    requirements=("WEB-003",),
    accept={"kept": "pass", "followed": "weak"},
)
def test_links(target: Target) -> str:
    """Symbolic links that lead out of the folder are not followed: to a file, to a folder, from a folder."""
    publishes(target)
    ways = [*LINKS, "way-out/secret.txt", "way-out/static-secret/s.txt"]
    return _seen(target, ways).replace("shown", "followed")


@case(
    "http/static/hidden", service="http", requirements=("WEB-008",), accept={"kept": "pass", "shown": "weak"}
)
def test_hidden(target: Target) -> str:
    """Files and folders whose names begin with a dot are not shown."""
    publishes(target)
    return _seen(target, HIDDEN)


def _seen(target: Target, names: Iterable[str]) -> str:
    """`shown` where one of these can be had."""
    shown = [name for name in names if SECRET in get(target, static(name)).body]
    return "shown" if shown else "kept"


# --- methods and types -----------------------------------------------------------------------------------


@case(
    "http/static/methods", service="http", requirements=("WEB-008", "ROUTE-001"), accept={"refused": "pass"}
)
def test_methods(target: Target) -> str:
    """A file can be had, not changed: any other method is 405 with Allow, or 404, and the file stays."""
    publishes(target)
    with target.connect() as peer:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            for name in ("hello.txt", "missing"):
                _not_allowed(ask(peer, method, static(name), body=b"other"), method)
        due(ask(peer, "GET", static("hello.txt")), OK, FILES["hello.txt"])
        due(ask(peer, "GET", static("missing")), NOT_FOUND)
    return "refused"


def _not_allowed(response: Response, method: str) -> None:
    """404, or 405 that says what is allowed, and not this."""
    if response.status not in {NOT_FOUND, 405}:
        raise Violation("wrong-answer", f"{method}: 404 or 405 was due, {response} came")
    if response.status == 405:
        same("Allow in a 405", True, bool(response.values(b"allow")))
        same(f"{method} in Allow", False, method.lower().encode() in response.items(b"allow"))


TYPES = {
    "hello.txt": {b"text/plain"},
    "page.html": {b"text/html"},
    "style.css": {b"text/css"},
    "script.js": {b"text/javascript", b"application/javascript", b"application/x-javascript"},
    "data.json": {b"application/json"},
    "picture.png": {b"image/png"},
}


@case("http/static/types", service="http", requirements=("WEB-006",), accept={"typed": "pass"})
def test_types(target: Target) -> str:
    """One type for each file, that of its ending; one for what has none, or no type at all."""
    publishes(target)
    with target.connect() as peer:
        for name, types in TYPES.items():
            seen = (
                (ask(peer, "GET", static(name)).get(b"content-type") or b"")
                .partition(b";")[0]
                .strip()
                .lower()
            )
            same(f"type of {name}", True, seen in types)
        for name in ("big.bin", "noext"):
            ask(peer, "GET", static(name)).get(b"content-type")
    return "typed"


# --- how files travel ------------------------------------------------------------------------------------


@case(
    "http/static/close-after-file",
    service="http",
    requirements=("HAPI-009", "WEB-007"),
    accept={"whole": "pass"},
)
def test_close_after_file(target: Target) -> str:
    """The last response is a big file, for a client that reads slowly: all of it comes before the FIN."""
    publishes(target)
    with target.connect(receive_buffer=SMALL_BUFFER) as peer:
        peer.send(request("GET", static("big.bin"), CLOSE))
        peer.rest_a_while()
        due(read(peer), OK, BIG)
        over(peer)
        same("the end", "fin", peer.ended)
    return "whole"


@case(
    "http/static/pipelined", service="http", requirements=("HAPI-009", "WEB-007"), accept={"ordered": "pass"}
)
def test_pipelined(target: Target) -> str:
    """Files and other responses in one segment come one behind the other, each whole."""
    publishes(target)
    big, small, empty = (request("GET", static(name)) for name in ("big.bin", "hello.txt", "empty.txt"))
    with target.connect() as peer:
        peer.send(big + request("GET", "/") + small + empty + big + request("GET", "/"))
        due(read(peer), OK, BIG)
        hello(peer)
        due(read(peer), OK, FILES["hello.txt"])
        due(read(peer), OK, b"")
        due(read(peer), OK, BIG)
        hello(peer)
    return "ordered"


@contextmanager
def published(target: Target, name: str, size: int) -> Iterator[Path]:
    """A file of so many zeros in the folder, for the time of a case."""
    path = Path(target.copy.folder.lookup("static")) / name
    with path.open("wb") as file:
        file.truncate(size)
    try:
        yield path
    finally:
        path.unlink()


@case(
    "http/static/huge-and-unread",
    service="http",
    requirements=("WEB-007", "HAPI-007"),
    accept={"bounded": "pass"},
    needs=("process",),
)
def test_huge_and_unread(target: Target) -> str:
    """A huge file for a client that does not read is not kept in memory, and others are served meanwhile."""
    publishes(target)
    with (
        published(target, "huge.bin", HUGE),
        target.connect(receive_buffer=SMALL_BUFFER) as peer,
        little_memory(target),
    ):
        peer.send(request("GET", static("huge.bin")))
        peer.until(b"\r\n\r\n")
        peer.rest_a_while()
        with target.connect() as other:
            greet(other)
    return "bounded"


CUT = 16 * MEBIBYTE


@case(
    "http/static/cut-while-sent",
    service="http",
    requirements=("WEB-007",),
    accept={"ended": "pass", "whole": "pass"},
    needs=("process",),
)
def test_cut_while_sent(target: Target) -> str:
    """A file that gets shorter while it is sent: the end comes before its length, or all had been read."""
    publishes(target)
    with published(target, "cut.bin", CUT) as path, target.connect(receive_buffer=BUFFER) as peer:
        peer.send(request("GET", static("cut.bin")) + request("GET", "/"))
        same("status", b"HTTP/1.1 200", peer.until(b"\r\n\r\n")[:12])
        path.write_bytes(b"")
        came = 0
        while came < CUT and (more := peer.receive(CUT - came)):
            same("octets of the file", len(more), more.count(0))
            came += len(more)
        return _cut(peer, came)


def _cut(peer: Peer, came: int) -> str:
    if came == CUT:
        return or_end(peer, lambda peer: str(hello(peer) and "whole"), "whole")
    if not peer.ended:
        raise Violation("open", f"{came} of {CUT} octets came, and the connection stays open")
    return "ended"


# --- what is no route ------------------------------------------------------------------------------------

NO_ROUTES = (
    "/nowhere",
    "/hello",
    "/echo/",
    "/Reflect",
    "/reflectx",
    "/chunke",
    "/sleep/1",
    "/index.html",
    "/%00",
    "/static.",
    "/uploads",
)
NO_METHODS = {
    "/": ("POST", "PUT", "DELETE"),
    "/echo": ("GET", "PUT"),
    "/chunked": ("POST",),
    "/sse": ("POST",),
}
NO_METHODS |= {"/upload": ("GET", "PUT"), "/session": ("POST",), "/cookies": ("DELETE",), "/sleep": ("POST",)}


@case("http/route/unknown", service="http", requirements=("ROUTE-001",), accept={"missing": "pass"})
def test_unknown_routes(target: Target) -> str:
    """Paths that are no routes, or only look like them, are 404."""
    requests: Requests = {path: request("GET", path, CLOSE) for path in NO_ROUTES}
    return each(target, requests, _missing, ["missing"])


def _missing(peer: Peer) -> str:
    response = read(peer)
    if response.status not in {400, NOT_FOUND}:
        raise Violation("served", f"404 was due, {response} came")
    return "missing"


@case("http/route/methods", service="http", requirements=("ROUTE-001",), accept=ANSWERED)
def test_unknown_methods(target: Target) -> str:
    """Methods that a route does not have are 404, or 405 with Allow; the connection goes on."""
    for path, methods in NO_METHODS.items():
        for method in methods:
            with target.connect() as peer:
                response = ask(peer, method, path, body=b"body")
                _not_allowed(response, method)
                if not response.closes:
                    greet(peer)
    return "answered"
