"""The dashboard in a browser: who comes in."""

from __future__ import annotations

import asyncio

from aiohttp import ClientSession, CookieJar, web
from aiohttp.test_utils import TestServer

from nebula.tui.web import Door, guard


def test_the_address_works_once_and_only_for_a_browser_that_asks_for_it() -> None:
    async def main() -> None:
        async def inside(_request: web.Request) -> web.StreamResponse:
            return web.Response(text="the dashboard")

        door = Door("")
        app = web.Application(middlewares=[guard(door)])
        app.add_routes([web.get("/", inside), web.get("/ws", inside)])
        async with TestServer(app, host="127.0.0.1") as server:
            door.address = f"127.0.0.1:{server.port}"
            base = f"http://{door.address}"
            async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as owner, ClientSession() as stranger:
                assert (await owner.get(f"{base}/")).status == 403
                assert (await owner.get(f"{base}/?token=wrong")).status == 403
                assert (await owner.get(f"{base}/?token={door.token}", headers={"Host": "evil.example"})).status == 403
                first = await owner.get(f"{base}/?token={door.token}")
                assert (first.status, await first.text()) == (200, "the dashboard")
                assert "token" not in str(first.url)
                assert (await owner.get(f"{base}/ws")).status == 200
                assert (await owner.get(f"{base}/ws", headers={"Origin": "http://evil.example"})).status == 403
                assert (await stranger.get(f"{base}/?token={door.token}")).status == 403
                assert (await stranger.get(f"{base}/ws")).status == 403

    asyncio.run(main())
