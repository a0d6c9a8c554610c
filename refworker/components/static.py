"""Files for everybody: `StaticFiles("public")` answers GET and HEAD with what is in a folder (WEB-002 to
WEB-008).

    files = StaticFiles("public", errors={404: "404.html"})

    @worker.on_message
    def serve(connection, request):
        return files(connection, request)

A folder is answered with its index, after a redirect to the path with a slash. Where the client takes it, and
a file has a sibling `NAME.br` or `NAME.gz`, that is sent in its place. Nothing lists what is in a folder.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from refworker.components.tree import Tree, is_folder, names_of
from refworker.protocols.http import Request, Response
from refworker.protocols.http.encodings import preferred
from refworker.protocols.http.mime import UNKNOWN, media_type
from refworker.protocols.http.response import File, Value

METHODS = "GET, HEAD, OPTIONS"
SUFFIXES = {"br": ".br", "gzip": ".gz"}
"""Codings of precompressed siblings, and how those are called."""

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
MESSAGES = {
    404: "there is nothing here\n",
    405: "not with this method\n",
}


class StaticFiles:
    """The files below a folder, as a handler."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        prefix: str = "",
        index: Sequence[str] = ("index.html",),
        headers: Mapping[str, Value] | None = None,
        errors: Mapping[int, str] | None = None,
        fallback: str | None = None,
        precompressed: bool = True,
        follow_links: bool = False,
        hidden: bool = False,
        download: bool = False,
    ) -> None:
        """`prefix` is what paths have in front of the names of files. `headers` are on every answer. `errors`
        are files below `root` by status, for 404 and 405. `fallback` is the file that answers whatever is not
        there, as a page wants it that reads its path itself. With `follow_links` links are followed that do
        not lead out, with `hidden` names with a dot in front are shown, with `download` browsers are told to
        save what comes. Raises OSError for a `root` that is no folder.
        """
        self.tree = Tree(root, follow_links)
        self.prefix, self.index, self.fallback = prefix.rstrip("/"), tuple(index), fallback
        self.headers = {"X-Content-Type-Options": "nosniff", **(headers or {})}
        self.errors = dict(errors or {})
        self.precompressed, self.hidden, self.download = precompressed, hidden, download

    def __call__(self, connection: Any, request: Request) -> Response:
        """The answer to a request, 404 where there is nothing."""
        return self.find(request) or self.error(404)

    def find(self, request: Request) -> Response | None:
        """The answer, None where there is nothing."""
        if request.method not in ("GET", "HEAD"):
            return self._other_method(request)
        found = self._found(request)
        if found is None and self.fallback:
            found = self._file(request, self.fallback.split("/"))
        return found

    def _other_method(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(204, {**self.headers, "Allow": METHODS})
        return self.error(405).header("Allow", METHODS)

    def error(self, status: int) -> Response:
        """An answer that is none of the files."""
        if page := self.errors.get(status):
            try:
                with open(self.tree.open(page.split("/")), "rb") as file:
                    return Response(status, {**self.headers, "Content-Type": media_type(page)}, file.read())
            except OSError:
                pass  # an error page that is missing is no reason for another error
        return Response(status, {**self.headers, **TEXT}, MESSAGES[status])

    def _found(self, request: Request) -> Response | None:
        inside = request.path.startswith(f"{self.prefix}/")
        names = names_of(request.path[len(self.prefix) :], self.hidden) if inside else None
        if names is None:
            return None
        if names[-1]:
            return self._file(request, names)
        pages = (self._file(request, [*names[:-1], page], is_index=True) for page in self.index)
        return next(filter(None, pages), None)

    def _file(self, request: Request, names: list[str], is_index: bool = False) -> Response | None:
        try:
            descriptor = self.tree.open(names)
        except OSError:
            return None
        if is_folder(descriptor):
            os.close(descriptor)
            return None if is_index else self._with_slash(request)
        return self._whole(request, names, descriptor)

    def _with_slash(self, request: Request) -> Response:
        query = f"?{request.query_string}" if request.query_string else ""
        return Response(301, {**self.headers, "Location": f"{request.path}/{query}"})

    def _whole(self, request: Request, names: list[str], descriptor: int) -> Response:
        name = names[-1]
        kind = media_type(name)
        headers: dict[str, Value] = {"Content-Type": kind, **self.headers}
        if kind == UNKNOWN or self.download:
            headers["Content-Disposition"] = "attachment" if self.download else "inline"
        if self.precompressed:
            descriptor = self._smaller(request, names, descriptor, headers)
        return Response(200, headers, File(name, descriptor=descriptor))

    def _smaller(self, request: Request, names: list[str], descriptor: int, headers: dict[str, Value]) -> int:
        """A descriptor of the sibling that the client likes best, where there is one; else the same."""
        siblings = {coding: self._sibling(names, suffix) for coding, suffix in SUFFIXES.items()}
        there = {coding: number for coding, number in siblings.items() if number is not None}
        if there:
            headers["Vary"] = "Accept-Encoding"
        liked = preferred(request.header("accept-encoding"), list(there))
        chosen = there.pop(liked[0]) if liked else descriptor
        if liked:
            headers["Content-Encoding"] = liked[0]
            there["identity"] = descriptor
        for number in there.values():
            os.close(number)
        return chosen

    def _sibling(self, names: list[str], suffix: str) -> int | None:
        try:
            descriptor = self.tree.open([*names[:-1], names[-1] + suffix])
        except OSError:
            return None
        if is_folder(descriptor):
            os.close(descriptor)
            return None
        return descriptor
