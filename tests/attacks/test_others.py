"""Attempts to read, end or change what is another citizen's by putting its ID into an address of one's own rooms."""

import re
from typing import Any

import pytest

from tests.architecture.addresses import routes
from tests.attacks.belongings import Owner, owner
from tests.idp.login.person import Person

PART = re.compile(r"{(\w+)(?::\w+)?}")
OWN = {"year": "a year of one's own history, and no ID"}
# What no other test of ours says: IDs in a query.
BY_QUERY = (("GET", "/my/sharing?stopped={grant_id}"),)
SAID = {
    "decision": "refuse", "text": "Why?", "name": "Mine", "valid": "more", "until": "2030-01-01", "code": "000000",
}  # fmt: skip


def with_ids() -> list[tuple[str, str]]:
    """Return method and path of every route of a citizen's rooms that takes the ID of something."""
    found = {
        (method, route.path)
        for route in routes()
        for method in route.methods
        if route.path.startswith("/my") and set(PART.findall(route.path)) - set(OWN)
    }
    return sorted(found) + list(BY_QUERY)


def tell(somebody: Person, method: str, path: str) -> Any:
    """Open an address, or send it a form with everything that one could ask for."""
    if method == "GET":
        return somebody.browser.get(path)
    somebody.open("/logout")  # a page with a form, whose token serves every other
    return somebody.send(path, **SAID)


def plain(answer: Any, *ids: str) -> tuple[int, str, str]:
    """Return what an answer says, without the IDs that were asked for and what is new each time."""
    text = answer.text
    for one in ids:
        text = text.replace(one, "ID")
    text = re.sub(
        r"[0-9a-f]{64}|\b[0-9A-Z]{4}-[0-9A-Z]{4}\b|\d+", "", text
    )  # form token, reference number, times
    return (
        answer.status_code,
        re.sub("|".join(map(re.escape, ids)), "ID", answer.headers.get("location", "")),
        text,
    )


@pytest.fixture
def pair(house: Any, person: Any, letter: Any) -> tuple[Owner, Person, Person]:
    """Give somebody who has one of everything, their browser, and somebody else who just signed in safely."""
    mine, theirs = person("203.0.113.9"), person()
    citizen, code = letter()
    theirs.activate_with_passkey(citizen, code)
    mine.activate_with_passkey(*letter())
    return owner(house, citizen), theirs, mine


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_attempt_on_everything_of_another_citizens(pair: tuple[Owner, Person, Person]) -> None:
    """At every route that takes an ID another citizen's is answered like one that never was, and nothing of theirs changes."""
    them, theirs, attacker = pair
    assert len(with_ids()) > 20
    for method, route in with_ids():
        ids = {name: them.example(name, route) for name in PART.findall(route)}
        path = filled(route, ids)
        never = filled(route, {name: unknown(one) for name, one in ids.items()})
        before = them.state()
        seen, nothing = tell(attacker, method, path), tell(attacker, method, never)
        assert plain(seen, *ids.values()) == plain(nothing, *map(unknown, ids.values())), (method, route)
        assert them.citizen not in seen.text
        assert not them.touched(before), (method, route)
        owned = tell(theirs, method, path)
        assert plain(owned) != plain(seen) or them.touched(before), f"{method} {route} tells nobody anything"


def filled(route: str, ids: dict[str, str]) -> str:
    """Return the address of a route with these IDs."""
    return PART.sub(lambda part: ids[part[1]], route)


def unknown(one: str) -> str:
    """Return an ID of the same shape that was never given out."""
    return "".join("0" if char.isalnum() else char for char in one)
