"""An agency's portal: sign in with Erti, see what is shared, read again, read on the agency's own, sign out.

    PORTAL_CLIENT_SECRET=... python examples/portal/portal.py examples/portal/revenue.toml

It uses Authlib's stock Starlette client and nothing of Erti's. Every page works without JavaScript.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn
from identity import Identity, NotSignedIn, Outcome, Unreachable
from notices import Notices
from sessions import Sessions
from settings import Portal, load
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

HERE = Path(__file__).parent
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Pages:
    """The portal's pages."""

    def __init__(self, portal: Portal) -> None:
        """Pages of one portal; `identity` is its connection to Erti."""
        self.portal = portal
        self.identity = Identity(portal)
        self.notices = Notices(portal, self.identity)
        self.templates = Jinja2Templates(HERE / "templates")

    def show(self, request: Request, page: str, status: int = 200, **facts: Any) -> Response:
        """Render a page with the headers that every page carries."""
        facts = {"portal": self.portal, "me": request.session.get("me"), **facts}
        return self.templates.TemplateResponse(request, page, facts, status_code=status, headers=SECURITY)

    async def home(self, request: Request) -> Response:
        """Welcome, or the signed-in page with what was last read."""
        me = request.session.get("me")
        if me is not None and me["sid"] in self.notices.over:
            request.session.clear()
            return self.show(request, "welcome.html", me=None, over=self.notices.over[me["sid"]])
        if me is None:
            return self.show(request, "welcome.html")
        self._heed(request.session)
        return self.show(
            request, "account.html", advice=self._advice(me["shared"]), read=request.session.get("read")
        )

    async def sign_in(self, request: Request) -> Response:
        """Off to Erti, from our own button or from Erti's list of services, which says who sends (Core 1.0, 4)."""
        if request.query_params.get("iss", self.portal.issuer) != self.portal.issuer:
            return RedirectResponse("/", status_code=303)
        return await self.identity.sign_in(request)

    async def allow(self, request: Request) -> Response:
        """Off to Erti to ask for the standing permission as well."""
        return await self.identity.sign_in(
            request, also=self.portal.standing.purpose if self.portal.standing else ""
        )

    async def signed_in(self, request: Request) -> Response:
        """Back from Erti: keep the tokens here, ask UserInfo once, and greet."""
        token = await self.identity.signed_in(request)
        shared = await self.identity.about(token)
        self.notices.begins_anew(token["userinfo"]["sub"], token["userinfo"].get("sid", ""))
        request.session.clear()
        request.session.update(
            renew=True,
            token=token,
            me={
                "sub": token["userinfo"]["sub"],
                "sid": token["userinfo"].get("sid", ""),
                "acr": token["userinfo"].get("acr", ""),
                # Who signed in, where that is not the one it is about (RFC 8693, 4.1).
                "act": token["userinfo"].get("act", {}).get("sub", ""),
                "shared": asdict(shared),
            },
        )
        return RedirectResponse("/", 303)

    async def read_again(self, request: Request) -> Response:
        """UserInfo once more with the token we hold: refused as soon as the citizen said stop."""
        token = request.session.get("token")
        if token is None:
            return RedirectResponse("/", 303)
        outcome = await self.identity.about(token)
        request.session["me"]["shared"] = asdict(outcome)
        request.session.pop("read", None)
        return RedirectResponse("/#shared", 303)

    async def read_standing(self, request: Request) -> Response:
        """Read under the standing permission, as a night job would: with our own token, not the citizen's."""
        me = request.session.get("me")
        if me is None or self.portal.standing is None:
            return RedirectResponse("/", 303)
        outcome = await self.identity.read(self.portal.standing, me["sub"])
        request.session["read"] = asdict(outcome)
        return RedirectResponse("/#read", 303)

    async def office(self, request: Request) -> Response:
        """The officer's form for a reading that a law allows."""
        if self.portal.law is None:
            return RedirectResponse("/", 303)
        return self.show(request, "office.html", number="", case="", officer="", outcome=None)

    async def read_by_law(self, request: Request) -> Response:
        """Find the citizen by national identifier, then read what the law allows, case by case."""
        form = await request.form()
        number, case, officer = (str(form.get(name, "")).strip() for name in ("number", "case", "officer"))
        if self.portal.law is None:
            return RedirectResponse("/", 303)
        outcome = Outcome(
            self.portal.law.title,
            refused="Please give the national identifier, the case and your staff number.",
        )
        if number and case and officer:
            why = {"case": case, "official": self.identity.pseudonym(officer)}
            citizen_id, refusal = await self.identity.resolve(self.portal.law, number, **why)
            outcome = refusal or await self.identity.read(self.portal.law, citizen_id, **why)
        typed = {"number": number, "case": case, "officer": officer}
        return self.show(request, "office.html", **typed, outcome=asdict(outcome))

    async def sign_out(self, request: Request) -> Response:
        """Forget everything here, then end the session at Erti."""
        token = request.session.get("token") or {}
        request.session.clear()
        if "id_token" not in token:
            return RedirectResponse("/", 303)
        answer = await self.identity.sign_out(request, token["id_token"])
        answer.status_code = 303
        return answer

    async def theme(self, request: Request) -> Response:
        """The agency's two colours, for light and for dark."""
        light, dark = self.portal.colour, self.portal.colour_dark
        css = f":root{{--agency:{light}}}@media(prefers-color-scheme:dark){{:root{{--agency:{dark}}}}}"
        return PlainTextResponse(css, media_type="text/css", headers={"Cache-Control": "max-age=300"})

    async def unreachable(self, request: Request, error: Exception) -> Response:
        """Erti is not up: say so, and what to do."""
        return self.show(request, "unreachable.html", 503)

    async def not_signed_in(self, request: Request, error: Exception) -> Response:
        """The citizen said no, or the answer was not for us."""
        return self.show(request, "refused.html", 400, why=str(error))

    def _heed(self, session: dict[str, Any]) -> None:
        """Take away what we held of somebody who stopped, as soon as Erti told us."""
        standing = self.portal.standing.purpose if self.portal.standing else ""
        heeded = session.setdefault("heeded", [])
        for (sub, purpose), at in self.notices.ended.items():
            if sub == session["me"]["sub"] and [purpose, at] not in heeded:
                heeded.append([purpose, at])
                why = f"You stopped sharing this with us. Erti told us at {at}, and we have removed it here."
                outcome = asdict(Outcome("", refused=why, told=True))
                if purpose == standing:
                    session["read"] = outcome
                else:
                    session["me"]["shared"] = outcome

    def _advice(self, shared: dict[str, Any]) -> str:
        label = dict(self.portal.shown).get(self.portal.advice["claim"])
        value = next((row[1] for row in shared["rows"] if row[0] == label), "")
        return self.portal.advice["given" if value else "missing"].format(value=value)


def create_app(portal: Portal) -> Starlette:
    """The portal as an ASGI application."""
    pages = Pages(portal)
    routes = [
        Route("/", pages.home),
        Route("/sign-in", pages.sign_in),
        Route("/signed-in", pages.signed_in),
        Route("/allow", pages.allow),
        Route("/read-again", pages.read_again, methods=["POST"]),
        Route("/read-standing", pages.read_standing, methods=["POST"]),
        Route("/office", pages.office),
        Route("/office", pages.read_by_law, methods=["POST"]),
        Route("/sign-out", pages.sign_out, methods=["POST"]),
        Route("/events", pages.notices.take, methods=["POST"]),
        Route("/theme.css", pages.theme),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    session = Middleware(Sessions, cookie=portal.client_id, secure=portal.secure)
    problems: dict[Any, Any] = {Unreachable: pages.unreachable, NotSignedIn: pages.not_signed_in}
    return Starlette(routes=routes, middleware=[session], exception_handlers=problems)


def main() -> None:
    """Serve the portal that the TOML file on the command line describes."""
    if len(sys.argv) != 2:
        raise SystemExit("Usage: python examples/portal/portal.py FILE.toml")
    portal = load(Path(sys.argv[1]))
    uvicorn.run(
        create_app(portal),
        host=portal.host,
        port=portal.port,
        log_level="warning",
        ssl_certfile=portal.tls_cert or None,
        ssl_keyfile=portal.tls_key or None,
    )


if __name__ == "__main__":
    main()
