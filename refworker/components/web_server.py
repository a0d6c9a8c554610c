"""Sites by the names of their hosts (manual: webserver; WEB-001, WEB-009, WEB-010).

web = WebServer("http://0.0.0.0:80", count=4)
web.add_root("example.org", "/srv/example")
web.add_root("www.example.org", {"root": "/srv/www", "errors": {404: "404.html"}})

@web.on_message
def api(connection, request):  # for what is no file
    return {"you asked for": request.path}

run_all()
"""

import os
from collections.abc import Mapping
from typing import Any

from refworker.callbacks import Function, Registrar
from refworker.components.static import StaticFiles
from refworker.connection import TcpConnection
from refworker.protocols.http import Request, Response
from refworker.worker import Worker

MISDIRECTED = Response(421, {"Content-Type": "text/plain; charset=utf-8"}, "no such site here\n")


class WebServer(Worker):
    """A worker that serves files. A handler in `on_message` gets the requests that are for none of them."""

    def __init__(self, address: str, *, unknown: str = "first", **options: Any) -> None:
        """`unknown` is the host whose site is for hosts that are not known: the `first` one that was added,
        unless it is named; with an empty text they are refused with 421. The rest is as for a `Worker`.
        """
        self.sites: dict[str, StaticFiles] = {}
        self.unknown = unknown
        super().__init__(address, **options)
        handler = self.on_message.function
        self.on_message = self._serve
        self._handler: Function | None = handler  # from here on `on_message` is for what is no file

    def __setattr__(self, name: str, value: Any) -> None:
        """A handler that is set later gets what is for no file, too."""
        if name == "on_message" and "_handler" in self.__dict__:
            self._handler = value.function if isinstance(value, Registrar) else value
        else:
            super().__setattr__(name, value)

    def add_root(self, host: str, site: str | os.PathLike[str] | Mapping[str, Any]) -> None:
        """Serve a folder for a host; a mapping has it as `root`, with any other options of `StaticFiles`.
        Raises OSError for what is no folder, TypeError for an unknown option.
        """
        options: dict[str, Any] = dict(site) if isinstance(site, Mapping) else {"root": site}
        if not_found := options.pop("not_found", None):
            options["errors"] = {404: not_found, **options.get("errors", {})}
        self.sites[host.lower()] = StaticFiles(options.pop("root"), **options)

    def bind(self, *args: Any, **options: Any) -> None:
        """As a worker. Raises OSError where there is nothing to serve, too."""
        if not self.sites:
            raise FileNotFoundError(f"web server {self.name} has no root: add_root(host, folder)")
        super().bind(*args, **options)

    def site_of(self, request: Request) -> StaticFiles | None:
        """The files for the host that a request names."""
        if site := self.sites.get(request.host(without_port=True).lower()):
            return site
        if self.unknown == "first":
            return next(iter(self.sites.values()))
        return self.sites.get(self.unknown.lower())

    def _serve(self, connection: TcpConnection, request: Request) -> Any:
        site = self.site_of(request)
        if site is None:
            return MISDIRECTED
        if self._handler is None:
            return site(connection, request)
        found = site.find(request) if request.method in ("GET", "HEAD") else None
        return self._handler(connection, request) if found is None else found
