"""Chromium without a screen, driven by its own protocol: pages, keys, what its terminal shows."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

PATIENCE = 90.0
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1400,900", "--remote-debugging-port=0",
)  # fmt: skip
_FIND_TERMINAL = """
Object.defineProperty(Object.prototype, 'webglAddon', {configurable: true, set(value) {
  window.__page = this;
  Object.defineProperty(this, 'webglAddon', {value, writable: true, configurable: true});
}});
"""
"""The page keeps its terminal to itself: whoever gets this addon has it."""
_SCREEN = """(() => {
  const terminal = window.__page && window.__page.terminal;
  if (!terminal) return '';
  const lines = [];
  for (let at = 0; at < terminal.rows; at++) lines.push(terminal.buffer.active.getLine(at).translateToString(true));
  return lines.join('\\n');
})()"""


class Tab:
    """A page in a context of its own: cookies of others are not its own."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One word of the protocol."""
        return await self._browser.call(method, self._session, **parameters)

    async def open(self, address: str) -> None:
        """Go there."""
        await self.call("Page.addScriptToEvaluateOnNewDocument", source=_FIND_TERMINAL)
        await self.call("Page.navigate", url=address)

    async def value(self, expression: str) -> Any:
        """What a line of JavaScript comes to."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    async def body(self) -> str:
        """The page's own text."""
        return str(await self.value("document.body ? document.body.innerText : ''"))

    async def screen(self) -> str:
        """What its terminal shows."""
        return str(await self.value(_SCREEN))

    async def shows(self, *texts: str) -> str:
        """Wait until all of it is in the terminal, or else on the page."""
        return await self.until(lambda seen: all(text in seen for text in texts), " and ".join(texts))

    async def until(self, condition: Callable[[str], bool], what: str) -> str:
        """Wait until it holds of what is seen."""
        deadline = time.monotonic() + PATIENCE
        while not condition(seen := await self.screen() or await self.body()):
            assert time.monotonic() < deadline, f"{what} was not seen:\n{seen}"
            await asyncio.sleep(0.1)
        return seen

    async def type(self, text: str) -> None:
        """Letters, one after the other."""
        for letter in text:
            await self._key(letter, letter, 0)

    async def enter(self) -> None:
        """The key that sends."""
        await self._key("Enter", "\r", 13)

    async def _key(self, key: str, text: str, code: int) -> None:
        known: dict[str, Any] = {"key": key, "text": text, "windowsVirtualKeyCode": code or ord(text.upper())}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **known)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def click(self, x: int, y: int) -> None:
        """The left button, there."""
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def picture(self) -> bytes:
        """What is drawn, as PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


class Browser:
    """One Chromium."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Ask, and wait for the answer; AssertionError for what it refuses."""
        number = len(self._asked)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json({**message, "sessionId": session} if session else message)
        found = await asyncio.wait_for(answer, PATIENCE)
        assert "error" not in found, f"{method}: {found['error']}"
        result: dict[str, Any] = found["result"]
        return result

    async def listen(self) -> None:
        """Hand on answers, until the browser is gone."""
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                break
            found = json.loads(message.data)
            if "id" in found:
                self._asked[found["id"]].set_result(found)

    async def tab(self) -> Tab:
        """A page of somebody who was never here."""
        context = await self.call("Target.createBrowserContext")
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context["browserContextId"])
        session = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        tab = Tab(self, session["sessionId"])
        await tab.call("Page.enable")
        return tab


@asynccontextmanager
async def chromium(scratch: Path) -> AsyncIterator[Browser]:
    """A browser whose home is there."""
    argv = ["chromium", *_FLAGS, f"--user-data-dir={scratch / 'chromium'}", "about:blank"]
    process = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL)
    assert process.stderr is not None
    try:
        address = ""
        while not address:
            line = (await asyncio.wait_for(process.stderr.readline(), PATIENCE)).decode()
            assert line, "the browser ended"
            address = line.partition("DevTools listening on ")[2].strip()
        rest = asyncio.create_task(process.stderr.read())
        async with ClientSession() as session, session.ws_connect(address, max_msg_size=1 << 26) as socket:
            browser = Browser(socket)
            listening = asyncio.create_task(browser.listen())
            yield browser
            listening.cancel()
        rest.cancel()
    finally:
        process.terminate()
        await process.wait()
