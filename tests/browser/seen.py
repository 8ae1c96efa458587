"""Which pages the browser looks at: all that the application has, by its own list of routes."""

from tests.architecture.test_routes import routes

# Not pages for people: what programs fetch, files to keep, and addresses that only lead on.
NO_PAGE = {
    "/healthz": "for the machine",
    "/readyz": "for the machine",
    "/metrics": "for the machine",
    "/session/state": "for the page's own script",
    "/authorize": "leads on, or shows the page of a problem",
    "/end-session": "leads to the page that asks, which is also at /logout",
    "/my/history.csv": "a file",
    "/my/history.json": "a file",
    "/my/history.html": "a file",
    "/my/history/bundle": "a file",
    "/my/history/verifier": "a file",
    "/my/account/codes/file": "a file",
    "/activate/codes/file": "a file",
}
# Pages that are there for a moment, or of one thing: where a browser looks at them, or why none does.
ON_THE_WAY = {
    "/activate/method": "test_pages: choose a method",
    "/activate/password": "test_pages: choose a password",
    "/activate/app": "test_pages: set up an app",
    "/activate/codes": "test_pages: recovery codes",
    "/login/code": "test_pages: the code of the app",
    "/login/card/left": "few codes are left: card_left.html, as plain as /login/card",
    "/login/shut": "test_pages: paused",
    "/consent": "test_pages: consent",
    "/device/confirm": "test_pages: a device is let in",
    "/pad/now": "test_without_a_phone: the pad of a desk",
    "/staff/join": "test_pages: a colleague joins",
    "/my/account/app": "test_pages: another app",
    "/my/account/codes": "test_pages: new recovery codes",
    "/my/account/card/pin": "there with a card only: card_new.html, which /my/account/card shows",
    "/my/account/contact/code": "test_pages: the code of an address",
    "/my/account/confirm": "there while a new way in is held back only: confirm.html",
    "/language/{language}": "leads on",
    "/authorize/{interaction}": "leads on",
    "/not-me/{token}": "test_sessions: the letter's page",
    "/my/history/entry/{event_id}": "test_pages: one entry",
    "/my/history/entry/{event_id}/dispute": "test_pages: disputing",
    "/my/history/entry/{event_id}/receipt": "a file",
    "/my/history/erasure/{year}": "there when a year may be erased: erase_year.html; until then the page of a problem",
    "/my/disputes/{number}": "test_pages: a dispute",
    "/my/sharing/{grant_id}": "test_pages: one permission",
    "/my/sharing/{grant_id}/extend": "test_pages: letting it go on",
    "/my/sharing/{grant_id}/withdraw": "test_pages: taking back",
    "/my/sharing/{grant_id}/record.jsonld": "a file",
    "/my/sessions/activity/{event_id}": "test_pages: this was not me",
    "/admin/agencies/{agency_id}": "test_pages: an agency",
    "/admin/clients/{client_id:path}": "test_pages: a client",
    "/admin/purposes/{purpose_id}": "test_pages: a purpose",
    "/admin/log/{index}": "test_pages: an entry of the log",
    "/admin/disputes/{number}": "the citizen's page of a dispute, with a form: dispute.html",
    "/admin/sources/{source}": "test_pages: a source",
    "/admin/sources/{source}/{record_id}": "there while a record is in quarantine only: quarantined.html",
    "/desk/{sitting_id}": "test_pages: a sitting",
    "/desk/cards/{order_id}": "test_pages: the order of a card",
}


def _pages() -> list[str]:
    """Return the address of each route that answers a person with a page."""
    found = {
        route.path
        for route in routes()
        if "GET" in route.methods and not route.endpoint.__module__.endswith(".api")
    }
    return sorted(found - set(NO_PAGE))


PAGES = _pages()
_HERE = [path for path in PAGES if path not in ON_THE_WAY]
OF_STAFF = [path for path in _HERE if path.startswith(("/admin", "/desk"))]
OF_ONE = [path for path in _HERE if path.startswith("/my")]
OPEN_TO_ALL = [path for path in _HERE if path not in {*OF_STAFF, *OF_ONE}]
