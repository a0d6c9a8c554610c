"""Chromium without a window, driven over its DevTools protocol: real clicks, words off the page, pictures.

The browser talks on a pair of pipes, one JSON object and a NUL after the other; it ends when its input does.

    async with started(command, folder) as chromium:
        page = await chromium.open("http://127.0.0.1:8000/")
        await page.click("#send")
        await page.until("document.title == 'done'")
        picture = await page.picture()
"""

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from tests.browser.chromium import FLAGS, PATIENCE, private

SHELL = ("sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >&2', "sh")
"""The browser wants its pipes as descriptors 3 and 4."""

LONGEST = 64 * 1024 * 1024
"""Bytes of a message: a picture is a few MiB."""

UNTIL = """new Promise(done => {
  const look = () => { if (%s) { watch.disconnect(); done(); } };
  const watch = new MutationObserver(look);
  watch.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
  document.addEventListener('readystatechange', look);
  look();
})"""

CENTRE = """(() => {
  const box = document.querySelector(%s).getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
})()"""


class Refused(AssertionError):
    """A command that the browser has not obeyed, in its words."""


class Browser:
    """Commands out, answers in; whoever has asked is told by number."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}

    async def call(self, method: str, session: str = "", **parameters: Any) -> Any:
        """What a command results in. Raises Refused, and AssertionError when the browser has ended."""
        assert self._process.stdin
        assert self._process.stdout
        assert not self._process.stdout.at_eof(), "the browser has ended"
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        self._process.stdin.write(json.dumps(command).encode() + b"\0")
        async with asyncio.timeout(PATIENCE):
            return await answer

    async def listen(self) -> None:
        """Hand out the answers, until the browser ends; who still waits then is told."""
        assert self._process.stdout
        with suppress(asyncio.IncompleteReadError):
            while True:
                self._take(json.loads((await self._process.stdout.readuntil(b"\0"))[:-1]))
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(AssertionError("the browser has ended"))

    def _take(self, message: dict[str, Any]) -> None:
        answer = self._asked.pop(message.get("id", 0), None)
        if answer and not answer.done():
            if "error" in message:
                answer.set_exception(Refused(message["error"]["message"]))
            else:
                answer.set_result(message["result"])

    async def open(self, url: str) -> "Page":
        """A page in a tab of its own."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, attached["sessionId"])
        await page.call("Page.navigate", url=url)
        await page.until("location.href != 'about:blank' && document.readyState == 'complete'")
        return page


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    async def call(self, method: str, **parameters: Any) -> Any:
        """A command about this page."""
        return await self._browser.call(method, self._session, **parameters)

    async def value(self, expression: str) -> Any:
        """What an expression of JavaScript gives in the page, a promise's result included."""
        told = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def text(self, selector: str) -> str:
        """The words of an element."""
        return str(await self.value(f"document.querySelector({json.dumps(selector)}).innerText"))

    async def until(self, condition: str) -> None:
        """Wait until an expression is true; it is looked at whenever the page changes, or another page comes
        in its place.
        """
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(Refused):  # the page that was asked is gone
                    return await self.value(UNTIL % condition)

    async def click(self, selector: str) -> None:
        """As with a mouse, in the middle of an element."""
        x, y = await self.value(CENTRE % json.dumps(selector))
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def picture(self) -> bytes:
        """A PNG of what is to be seen."""
        return b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


@asynccontextmanager
async def started(command: str, folder: Path) -> AsyncIterator[Browser]:
    """A browser with a profile in the folder, and its log there; it ends with the block."""
    flags = (*FLAGS, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-pipe")
    with (folder / "chromium.log").open("wb") as log, private() as env:
        process = await asyncio.create_subprocess_exec(
            *SHELL, command, *flags,
            stdin=PIPE, stdout=PIPE, stderr=log, limit=LONGEST, start_new_session=True, env=env,
        )  # fmt: skip
        found = Browser(process)
        listening = asyncio.create_task(found.listen())
        try:
            yield found
        finally:
            await end(process)
            await listening


async def end(process: asyncio.subprocess.Process) -> None:
    """End a browser, and what lingers of its processes."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
