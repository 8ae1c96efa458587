"""Attempts to act for somebody whom one does not represent, or to let one person's word count for another."""

import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from consent import entrusting, grants
from core import clock
from core.events import SYSTEM
from idp.oidc import clients
from tests.consent import country
from tests.idp.oidc.provider import CITIZEN, Provider, answered, claims_of
from tests.idp.oidc.representing import (
    CHILD,
    PARENT,
    asked,
    choose,
    entrust,
    parent,
    register,
    tokens,
)

__all__ = ["parent"]
STRANGER, THIRD = "9C5YKQ0T2XGMW", "K7QD2M9XWT4BC"
ASKS = "For whom are you here?"
RELIEF = {"scope": "openid purpose:revenue-relief"}


def told(provider: Provider, answer: Any) -> dict[str, Any]:
    """Return what the ID token says that an answer with a code leads to."""
    return claims_of(provider.redeem(answered(answer)["code"]).json()["id_token"])


def test_attempt_to_choose_somebody_one_does_not_represent(parent: Provider) -> None:
    """Another pair's mandate, one that was only offered, one that is over, a citizen ID or nothing at all: asked again."""
    with parent.database.writing() as db:
        for citizen in (STRANGER, THIRD):
            country.be_born(db, citizen)
        waiting = entrusting.offer(
            db, giver=STRANGER, holder=PARENT, agencies=["revenue"], purposes=[],
            until=clock.now() + timedelta(days=9), actor=SYSTEM,
        )  # fmt: skip
    others = entrust(parent.database, giver=STRANGER, holder=THIRD)
    over = entrust(parent.database, giver=THIRD, until=clock.now() - timedelta(seconds=1))
    page = asked(parent)
    for word in (others.id, waiting.id, over.id, CHILD, STRANGER, "", "a" * 5000):
        back = parent.send(page, **{"for": word})
        again = parent.web.get(back.headers["location"])
        assert again.status_code == 200, word
        assert ASKS in again.text, word


def test_attempt_to_change_the_choice_in_a_form(parent: Provider) -> None:
    """The consent form decides about whom was chosen, whatever else it sends; a changed choice asks its questions anew."""
    onward = choose(parent, asked(parent, **RELIEF))
    page = parent.web.get(onward.headers["location"])
    forged = {"for": "self", "citizen": PARENT, "sub": PARENT, "mandate": "", "acting": "self"}
    parent.send(page, decision="allow", **forged)
    with parent.database.reading() as db:
        assert grants.live(db, citizen=CHILD, purpose="revenue-relief")
        assert grants.live(db, citizen=PARENT, purpose="revenue-relief") is None
    interaction = onward.headers["location"].partition("i=")[2]
    front = asked(parent, **RELIEF).text
    mine = re.sub(r'action="/authorize/[^/]+/for"', f'action="/authorize/{interaction}/for"', front)
    assert parent.send(SimpleNamespace(text=mine), **{"for": "self"}).status_code == 303
    after = parent.web.get(f"/authorize/{interaction}")
    assert after.headers["location"].startswith("/consent")


@pytest.mark.parametrize(
    "sent",
    [
        {"act": CHILD},
        {"act": f'{{"sub":"{CHILD}"}}', "sub": CHILD, "for": "self"},
        {"claims": f'{{"id_token":{{"act":{{"value":{{"sub":"{CHILD}"}}}}}}}}'},
        {"actor_token": "x", "requested_actor": PARENT},
    ],
)
def test_attempt_of_a_client_to_say_who_acts(parent: Provider, sent: dict[str, str]) -> None:
    """Nothing that a client sends chooses for a person: the page comes up, and `act` is what they said there."""
    assert "act" not in told(parent, choose(parent, asked(parent, **sent), "self"))
    parent.sign_in(CHILD)
    assert "act" not in told(parent, parent.authorize(**sent))


def test_attempt_to_name_somebody_who_is_not_represented(parent: Provider) -> None:
    """A request that names a stranger never ends in a sign-in for them, and says no more than for anybody."""
    with parent.database.writing() as db:
        country.be_born(db, STRANGER)
    for citizen in (STRANGER, CHILD):
        claims = f'{{"id_token":{{"sub":{{"value":"{citizen}"}}}}}}'
        silent = answered(parent.authorize(prompt="none", claims=claims))
        assert silent["error"] == "login_required"
    page = asked(parent, claims=claims)
    assert 'value="self"' not in page.text
    assert told(parent, choose(parent, page))["sub"] == CHILD


def test_attempt_to_use_one_persons_word_for_another(parent: Provider) -> None:
    """What the parent allowed for themselves says nothing about the child, nor the other way round."""
    with parent.database.writing() as db:
        country.allow(db, "given_name", purpose="revenue-relief", citizen=PARENT)
    onward = choose(parent, asked(parent, **RELIEF))
    page = parent.web.get(onward.headers["location"])
    parent.send(page, decision="deny")
    with parent.database.reading() as db:
        assert grants.live(db, citizen=CHILD, purpose="revenue-relief") is None
        assert grants.live(db, citizen=PARENT, purpose="revenue-relief")


def test_attempt_to_go_on_with_another_persons_choice(parent: Provider) -> None:
    """Whoever signs in after somebody chose is nobody's representative by that; no silent renewal either."""
    page = asked(parent)
    choose(parent, page)
    parent.sign_in(CITIZEN)
    assert told(parent, parent.authorize(prompt="none"))["sub"] == CITIZEN
    parent.sign_in(PARENT)
    assert answered(parent.authorize(prompt="none"))["error"] == "interaction_required"


def test_attempt_to_stay_in_the_childs_rooms(parent: Provider) -> None:
    """After acting for a child the person's own rooms are still their own, and the child's stay shut."""
    tokens(parent)
    page = parent.web.get("/my")
    assert "4RZ8-N1PV-6HJ3-G" in page.text
    assert "K7QD-2M9X-WT4B-B" not in page.text
    with parent.database.reading() as db:
        (held,) = [one for one in grants.of(db, CHILD) if one.is_live]
    assert parent.web.get(f"/my/sharing/{held.grant_id}").status_code == 404


def test_attempt_to_register_for_representation(parent: Provider) -> None:
    """A client that registers itself cannot open itself to representation; only its agency's declaration can."""
    register(parent, "none")
    made = parent.web.post(
        "/register",
        json={"redirect_uris": ["https://new.example/cb"], "representation": "offered"},
    )
    assert made.status_code == 201, made.text
    assert "representation" not in made.json() or made.json()["representation"] == "none"
    with parent.database.reading() as db:
        kept = clients.find(db, made.json()["client_id"])
    assert kept is not None
    assert kept.representation == "none"
