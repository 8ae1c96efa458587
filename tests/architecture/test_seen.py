"""Every page of the application is looked at by a browser, or stands in a list with the reason."""

from tests.browser import seen


def test_whoever_adds_a_page_of_one_thing_says_where_a_browser_looks_at_it() -> None:
    """A page without a number in its address is looked at by itself; each other one is named."""
    unnamed = [path for path in seen.PAGES if "{" in path and path not in seen.ON_THE_WAY]
    assert unnamed == [], "let a browser look at it, and name it in tests/browser/seen.py"
    assert set(seen.ON_THE_WAY) <= set(seen.PAGES), "what is no page any more goes from the list"


def test_every_room_has_its_pages() -> None:
    """The lists are made from the routes; were they empty, the browser would look at nothing and find nothing."""
    assert {"/my/sessions", "/my/sessions/secure", "/my/account"} <= set(seen.OF_ONE)
    assert {"/login", "/recover", "/activate"} <= set(seen.OPEN_TO_ALL)
    assert {"/admin", "/desk", "/admin/refusals"} <= set(seen.OF_STAFF)
