"""Who may call what: each route asks who is there, or stands here with its reason."""

from core import forms, web
from tests.architecture.addresses import FOR_REPAIR, GUARDS, asked, routes

# Nobody need be signed in. Whoever adds a line here says what stands in front of the route instead.
OPEN = {
    "/": "the front page",
    "/about": "says what this is",
    "/language/{language}": "a language is no secret",
    "/healthz": "says that the process lives",
    "/readyz": "says whether it can serve",
    "/metrics": "the networks of the settings only",
    "/session/state": "says how long the browser's own session lasts",
    "/session/extend": "does nothing without the browser's own session",
    "/login": "the way in",
    "/login/code": "the stage after a right password, by a cookie of its own",
    "/login/step-up": "the page asks for what the session lacks; without a session it leads to /login",
    "/login/card": "the way in with a printed card",
    "/login/card/block": "the blocking code that was printed with the card",
    "/pad": "a desk's pad: guessing its code is limited",
    "/pad/now": "a cookie of the one pad that took the clerk's code",
    "/pad/pin": "a cookie of the one pad that took the clerk's code",
    "/pad/card": "a cookie of the one pad that took the clerk's code",
    "/pad/answer": "card and PIN were shown on the pad of this cookie",
    "/pad/leave": "a cookie of the one pad that took the clerk's code",
    "/pad/done": "says no more than that",
    "/login/recovery": "the way in without the passkey",
    "/login/passkey/options": "the way in",
    "/login/passkey/verify": "the way in",
    "/login/shut": "a stage after a sign-in at a locked account, by a cookie of its own",
    "/login/shut/keep": "a stage after a sign-in at a locked account, by a cookie of its own",
    "/login/shut/open": "a stage after a sign-in at a locked account, by a cookie of its own",
    "/login/shut/stay": "a stage after a sign-in at a locked account, by a cookie of its own",
    "/logout": "the way out",
    "/activate": "the way in with a letter",
    "/activate/method": "a stage of activation, by a cookie of its own",
    "/activate/passkey": "a stage of activation, by a cookie of its own",
    "/activate/password": "a stage of activation, by a cookie of its own",
    "/activate/app": "a stage of activation, by a cookie of its own",
    "/activate/codes": "a stage of activation, by a cookie of its own",
    "/activate/codes/file": "the same stage of activation, and its citizen signed in",
    "/not-me/{token}": "the one-time link in a letter",
    "/try/{token}": "the one-time link in a letter, which signs nobody in",
    "/recover": "the way back by e-mail; the same for every name",
    "/recover/code": "a code from the mail, in the browser that asked",
    "/recover/finish": "a code from the mail, in the browser that asked, after the waiting time",
    "/recover/stop": "a code that every address of the account was sent",
    "/undo": "a code that the addresses before a change were sent",
    "/staff/join": "the one-time invitation",
    "/staff/login": "the way in for staff",
    "/.well-known/openid-configuration": "public (OpenID Connect Discovery, 4)",
    "/.well-known/oauth-authorization-server": "public (RFC 8414)",
    "/.well-known/oauth-protected-resource": "public (RFC 9728)",
    "/.well-known/oauth-protected-resource/{path:path}": "public (RFC 9728)",
    "/jwks.json": "public keys",
    "/authorize": "comes from anywhere (RFC 6749, 3.1)",
    "/authorize/{interaction}": "the interaction is bound to its browser",
    "/authorize/{interaction}/account": "the interaction is bound to its browser",
    "/authorize/{interaction}/leave": "the interaction is bound to its browser, and it only says no",
    "/authorize/{interaction}/for": "the interaction is bound to its browser",
    "/device": "the way in for a device: guessing its code is limited",
    "/device/confirm": "the interaction is bound to its browser and its citizen",
    "/device/connected": "says no more than that",
    "/device/refused": "says no more than that",
    "/device_authorization": "client authentication as at /token (RFC 8628, 3.1)",
    "/consent": "the interaction is bound to its browser and its citizen",
    "/end-session": "comes from anywhere (OpenID Connect RP-Initiated Logout, 2)",
    "/end-session/confirm": "the way out",
    "/token": "client authentication (RFC 6749, 3.2.1)",
    "/par": "client authentication (RFC 9126, 2)",
    "/introspect": "client authentication (RFC 7662, 2.1)",
    "/revoke": "client authentication (RFC 7009, 2.1)",
    "/register": "an initial access token (RFC 7591, 3); none where the settings let everybody in",
    "/register/{client_id}": "the client's registration access token (RFC 7592, 2)",
    "/userinfo": "an access token (RFC 6750)",
    "/attributes/read": "an access token (RFC 6750)",
    "/attributes/read/batch": "an access token (RFC 6750)",
    "/citizens/resolve": "an access token (RFC 6750)",
    "/receipts/{event_id}": "the client's own bearer token",
    "/grants/{grant_id}": "an access token (RFC 6750)",
    "/grants/{grant_id}/receipts": "the client's own bearer token",
    "/grants/{grant_id}/record": "the client's own bearer token",
    "/ledger/receipt-keys": "public keys",
    "/.well-known/ssf-configuration": "public (SSF 1.0, 7.2)",
    "/ssf/stream": "an access token (RFC 6750)",
    "/ssf/status": "an access token (RFC 6750)",
    "/ssf/subjects/add": "an access token (RFC 6750)",
    "/ssf/subjects/remove": "an access token (RFC 6750)",
    "/ssf/verify": "an access token (RFC 6750)",
    "/ssf/poll/{stream_id}": "an access token (RFC 6750)",
    "/disputes": "an access token (RFC 6750)",
    "/disputes/{number}/answer": "an access token (RFC 6750)",
    "/about/fingerprints": "public: what to compare with a letter",
    "/about/withheld": "says how much the law withholds in the country",
    "/about/coverage": "says which agencies' looks are in the histories",
    "/registry/events": "a signature by a registry's key (RFC 8417)",
    "/ledger/checkpoint": "public: anyone may mirror and check",
    "/ledger/tile/{path:path}": "public: anyone may mirror and check",
    "/ledger/logs": "public: which logs there are",
    "/ledger/logs/{number}/checkpoint": "public: anyone may mirror and check",
    "/ledger/logs/{number}/policy": "public: anyone may mirror and check",
    "/ledger/logs/{number}/tile/{path:path}": "public: anyone may mirror and check",
    "/ledger/policy": "public: what to trust",
}
# Sent from other sites or by programs, which have no token of a form of ours.
NO_FORM_TOKEN = {
    "/token", "/device_authorization", "/par", "/introspect", "/revoke", "/register", "/register/{client_id}", "/userinfo", "/authorize", "/end-session",
    "/attributes/read", "/attributes/read/batch", "/citizens/resolve", "/disputes/{number}/answer", "/registry/events",
    "/login/passkey/verify", "/grants/{grant_id}",
    "/ssf/stream", "/ssf/status", "/ssf/subjects/add", "/ssf/subjects/remove", "/ssf/verify", "/ssf/poll/{stream_id}",
}  # fmt: skip


def test_each_route_asks_who_is_there_or_says_why_not() -> None:
    """Every route takes a citizen's or a staff member's session, or stands on the list of open ones."""
    unguarded = {route.path for route in routes() if not GUARDS & asked(route.dependant)}
    assert unguarded - set(OPEN) == set()


def test_the_list_of_open_routes_is_current() -> None:
    """No path stands on the list that has meanwhile gone or been closed."""
    unguarded = {route.path for route in routes() if not GUARDS & asked(route.dependant)}
    assert set(OPEN) - unguarded == set()


def test_each_post_from_a_page_carries_its_token() -> None:
    """Every route that changes something checks that the form came from one of our pages, or is named here."""
    unchecked = {
        route.path
        for route in routes()
        if route.methods & {"POST", "PUT", "PATCH", "DELETE"} and forms.checked not in asked(route.dependant)
    }
    assert unchecked <= NO_FORM_TOKEN


def test_staff_routes_are_not_for_citizens() -> None:
    """Under /admin and /desk only staff are let in, under /my only citizens."""
    wrong = [
        route.path
        for route in routes()
        if (route.path.startswith(("/admin", "/desk")) and web._staff not in asked(route.dependant))
        or (
            route.path.startswith("/my")
            and web._citizen not in asked(route.dependant)
            and not (route.path in FOR_REPAIR and web._owner in asked(route.dependant))
        )
    ]
    assert not wrong


def test_routes_are_plain_functions() -> None:
    """Routes are `def`, so that they run in the thread pool and may wait for the database (DESIGN 7)."""
    flags = {route.path for route in routes() if route.endpoint.__code__.co_flags & 0x80}
    assert not flags
