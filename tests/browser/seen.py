"""Which pages the browser looks at: all that the application has, by its own list of routes."""

from tests.architecture.addresses import routes

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
    "/my/history/entry/{event_id}/receipt": "a file",
    "/my/sharing/{grant_id}/record.jsonld": "a file",
    "/language/{language}": "leads on",
    "/authorize/{interaction}": "leads on",
}
# Pages that are there for a moment, or of one thing: the test that looks at them, and what it calls them.
ON_THE_WAY = {
    "/activate/method": "test_pages: choose a method",
    "/activate/password": "test_pages: choose a password",
    "/activate/app": "test_pages: set up an app",
    "/activate/codes": "test_pages: recovery codes",
    "/login/code": "test_pages: the code of the app",
    "/login/card/left": "test_own_card: few codes are left",
    "/login/shut": "test_pages: an account that is shut",
    "/consent": "test_pages: consent",
    "/device/confirm": "test_pages: a device is let in",
    "/pad/now": "test_without_a_phone: the pad of a desk",
    "/staff/join": "test_staff_pages: a colleague joins",
    "/my/account/app": "test_pages: another app",
    "/my/account/codes": "test_pages: new recovery codes",
    "/my/account/card/pin": "test_own_card: another PIN",
    "/my/account/contact/code": "test_pages: the code of an address",
    "/my/account/confirm": "test_coming_back: confirming a new way in",
    "/not-me/{token}": "test_sessions: the letter's page",
    "/try/{token}": "test_sessions: the page of a letter about guessing",
    "/my/history/entry/{event_id}": "test_pages: one entry",
    "/my/history/erasure/{year}": "test_pages: erasing a year",
    "/my/history/entry/{event_id}/dispute": "test_pages: disputing",
    "/my/disputes/{number}": "test_pages: a dispute",
    "/my/sharing/{grant_id}": "test_pages: one permission",
    "/my/sharing/{grant_id}/extend": "test_pages: letting it go on",
    "/my/sharing/{grant_id}/withdraw": "test_pages: taking back",
    "/my/sessions/activity/{event_id}": "test_pages: this was not me",
    "/admin/agencies/{agency_id}": "test_staff_pages: an agency",
    "/admin/clients/{client_id:path}": "test_staff_pages: a client",
    "/admin/purposes/{purpose_id}": "test_staff_pages: a purpose",
    "/admin/log/{index}": "test_staff_pages: an entry of the log",
    "/admin/sources/{source}": "test_staff_pages: a source",
    "/admin/sources/{source}/{record_id}": "test_staff_pages: a record in quarantine",
    "/admin/disputes/{number}": "test_staff_pages: a dispute at the console",
    "/desk/{sitting_id}": "test_staff_pages: a sitting",
    "/desk/cards/{order_id}": "test_staff_pages: the order of a card",
    "/desk/letters/{visit_id}": "test_at_the_counter: before a letter is made",
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
