"""A page in a real browser: it opens WebSockets, and they do what a page expects of them."""

import asyncio
from pathlib import Path
from typing import Any

from refworker import TcpConnection, Worker
from tests.browser.chromium import visit

PAGE = Path(__file__).with_name("page.html")
SCREENSHOT_HEAD = b"\x89PNG"

SEEN = {
    "text": "Größe 因 🎈",
    "empty": "",
    "binary": "the same",
    "large text": True,
    "large": "the same",
    "closed by the page": [3001, "", True],
    "close": [3002, "genug für heute", True],
    "destroy": [1006, "", False],
}
"""What the page reports: echoes, then code, reason and whether it was clean of each end."""


def serve(connection: TcpConnection, message: str | bytes) -> None:
    """An echo, but for the two words that end the connection."""
    if message == "close":
        connection.close(code=3002, reason="genug für heute")
    elif message == "destroy":
        connection.destroy()
    else:
        connection.send(message)


def test_a_page_meets_websockets_as_it_expects_them(browser: str, tmp_path: Path) -> None:
    reports: list[Any] = []

    async def program() -> None:
        async with Worker("websocket://127.0.0.1:0", on_message=serve) as worker:
            reports.append(await visit(browser, PAGE, f"port={worker.port}", tmp_path))

    asyncio.run(program())
    log = (tmp_path / "chromium.log").read_text(errors="replace")
    assert reports[0], f"the page has not reported; the browser says:\n{log}"
    extensions = reports[0].pop("extensions")
    assert reports[0] == SEEN
    assert extensions.split(";")[0] in {"", "permessage-deflate"}
    assert (tmp_path / "screenshot.png").read_bytes().startswith(SCREENSHOT_HEAD)
