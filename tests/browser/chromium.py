"""Chromium without a window: it opens a page, the page reports what it has seen, and a picture is taken.

No driver is needed. The page is loaded when everything in it is; one picture in it is answered only after the
report has come, and Chromium takes its screenshot, and ends, when a page has loaded.
"""

import asyncio
import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no browser is installed here to open the page; apt-get install chromium"

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--window-size=1000,600",
)

PATIENCE = 60.0
"""Seconds for all of it."""


def installed() -> str | None:
    """The command of the browser that is here."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Site(ThreadingHTTPServer):
    """Serves one page, and takes its report."""

    daemon_threads = True

    def __init__(self, page: Path) -> None:
        self.page = page.read_bytes()
        self.report: Any = None
        self.reported = threading.Event()
        super().__init__(("127.0.0.1", 0), Visit)


class Visit(BaseHTTPRequestHandler):
    """One request of the browser."""

    server: Site

    def do_GET(self) -> None:
        """The page, or its last picture, which comes when the report has come."""
        if self.path == "/reported":
            self.server.reported.wait(PATIENCE)
            return self.answer(404)
        return self.answer(200, self.server.page)

    def do_POST(self) -> None:
        """The report."""
        self.server.report = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.reported.set()
        self.answer(200)

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def site(page: Path) -> Iterator[Site]:
    """The site in a thread of its own, as long as the block runs."""
    with Site(page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.reported.set()
            server.shutdown()
            thread.join()


async def visit(browser: str, page: Path, query: str, folder: Path) -> Any:
    """What the page reports, None when it does not; `screenshot.png` in the folder shows it in the end."""
    with site(page) as server:
        flags = (*FLAGS, f"--user-data-dir={folder / 'profile'}", f"--screenshot={folder / 'screenshot.png'}")
        url = f"http://127.0.0.1:{server.server_port}/?{query}"
        with (folder / "chromium.log").open("wb") as log, private() as env:
            started = asyncio.create_subprocess_exec(
                browser, *flags, url, stdout=log, stderr=log, start_new_session=True, env=env
            )
            await ended(await started)
        return server.report


@contextmanager
def private() -> Iterator[dict[str, str]]:
    """An environment in which the browser leaves nothing behind. The folder is not a test's own: a socket is
    made in it, whose path may not be long.
    """
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as folder:
        yield {**os.environ, "TMPDIR": folder}


async def ended(process: asyncio.subprocess.Process) -> None:
    """Wait for the browser to end; one that hangs is ended, and what lingers of its processes, too."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
