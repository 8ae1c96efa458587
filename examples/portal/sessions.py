"""Browser sessions kept in this process: the cookie holds a random key and nothing else, so tokens never leave here."""

import secrets
import time
from http.cookies import SimpleCookie
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOURS = 3600


class Sessions:
    """ASGI middleware that fills `request.session`, as Authlib's Starlette client expects."""

    def __init__(self, app: ASGIApp, *, cookie: str, secure: bool, lasts: int = 8 * HOURS) -> None:
        """Sessions of at most `lasts` seconds under the cookie name `cookie`."""
        self.app = app
        self.cookie = cookie
        self.secure = secure
        self.lasts = lasts
        self.known: dict[str, tuple[float, dict[str, Any]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give the request its session, and the browser its cookie when there is something to remember."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        key = HTTPConnection(scope).cookies.get(self.cookie, "")
        ends, session = self.known.get(key, (0.0, {}))
        if ends < time.time():
            key, session = "", {}
        scope["session"] = session

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                cookie = self._keep(key, scope["session"])
                if cookie:
                    message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode())]
            await send(message)

        await self.app(scope, receive, answer)

    def _keep(self, key: str, session: dict[str, Any]) -> str:
        """Store a session; returns the Set-Cookie value when the browser must learn or forget a key.

        The key changes when somebody signs in, so a key known before is worth nothing after.
        """
        now = time.time()
        self.known = {k: kept for k, kept in self.known.items() if kept[0] > now}
        fresh = session.pop("renew", False)
        if not session:
            self.known.pop(key, None)
            return self._cookie("", 0) if key else ""
        if fresh or not key:
            self.known.pop(key, None)
            key = secrets.token_urlsafe(32)
            self.known[key] = (now + self.lasts, session)
            return self._cookie(key, self.lasts)
        self.known.setdefault(key, (now + self.lasts, session))
        return ""

    def _cookie(self, value: str, lasts: int) -> str:
        jar: SimpleCookie = SimpleCookie()
        jar[self.cookie] = value
        for name, setting in (("path", "/"), ("httponly", "1"), ("samesite", "Lax"), ("max-age", str(lasts))):
            jar[self.cookie][name] = setting
        if self.secure:
            jar[self.cookie]["secure"] = "1"
        return jar[self.cookie].OutputString()
