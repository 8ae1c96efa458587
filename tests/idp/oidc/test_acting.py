"""Acting for another in a sign-in: asked each time, told in every token, over with the mandate."""

import re
from datetime import timedelta

import pytest

from consent import disclosure, grants, mandates
from core import clock
from core.events import SYSTEM
from tests.consent import country
from tests.idp.oidc.provider import (
    API,
    Provider,
    answered,
    claims_of,
    expired,
)
from tests.idp.oidc.representing import (
    CHILD,
    PARENT,
    WHOLE,
    asked,
    choose,
    code,
    entrust,
    parent,
    register,
    tokens,
    withdraw,
)

__all__ = ["parent"]


def test_every_token_names_both(parent: Provider) -> None:
    """`sub` is the child and `act` the parent in the ID token, UserInfo, introspection and a JWT; the sign-in is the parent's."""
    got = tokens(parent, **WHOLE)
    session = parent.session
    assert session is not None
    told = claims_of(got["id_token"])
    assert (told["sub"], told["act"]) == (CHILD, {"sub": PARENT})
    assert (told["acr"], told["amr"], told["auth_time"]) == (
        session.acr,
        session.amr,
        clock.seconds(session.auth_time),
    )
    said = parent.introspected(got["access_token"])
    assert (said["sub"], said["act"]) == (CHILD, {"sub": PARENT})
    info = parent.userinfo(got["access_token"]).json()
    assert info == {"sub": CHILD, "act": {"sub": PARENT}, "given_name": "Luka"}
    jwt = tokens(parent, resource=API)["access_token"]
    assert (claims_of(jwt)["sub"], claims_of(jwt)["act"]) == (CHILD, {"sub": PARENT})


def test_both_histories_tell_of_it(parent: Provider) -> None:
    """The sign-in and the read stand in the histories of both, naming both."""
    parent.userinfo(tokens(parent, **WHOLE)["access_token"])
    for chain in (CHILD, PARENT):
        told = {one["kind"]: one["data"] for one in parent.history(chain)}
        for kind in ("signed-in", "disclosed"):
            assert (told[kind]["citizen"], told[kind]["representative"]) == (CHILD, PARENT), chain
        assert told["disclosed"]["channel"] == "behalf"


def test_the_page_names_people_and_reasons(parent: Provider) -> None:
    """Oneself comes first, then each person by name and on what ground; nothing is chosen beforehand."""
    page = asked(parent)
    assert page.text.index("For myself") < page.text.index("Luka Nushiani") < page.text.index("by birth")
    assert "checked" not in page.text
    got = parent.redeem(answered(choose(parent, page, "self"))["code"]).json()
    assert claims_of(got["id_token"])["sub"] == PARENT
    assert "act" not in claims_of(got["id_token"])


def test_nobody_is_represented_where_it_is_not_registered(parent: Provider) -> None:
    """A client that did not register for it gets the person who signed in, whatever it asks; no page comes up."""
    register(parent, "none")
    got = parent.tokens(claims='{"id_token":{"act":{"essential":true}}}')
    assert claims_of(got["id_token"])["sub"] == PARENT
    assert "act" not in claims_of(got["id_token"])


def test_a_client_can_ask_for_it(parent: Provider) -> None:
    """Registered as ``asked`` the page comes only for a request that wants the claim `act`."""
    register(parent, "asked")
    assert claims_of(parent.tokens()["id_token"])["sub"] == PARENT
    got = tokens(parent, claims='{"id_token":{"act":null}}')
    assert claims_of(got["id_token"])["act"] == {"sub": PARENT}


def test_the_consent_page_speaks_of_the_child(parent: Provider) -> None:
    """What the child did not allow is asked of the parent, without the child's values; the word is the child's grant."""
    onward = choose(parent, asked(parent, scope="openid purpose:revenue-relief"))
    page = parent.web.get(onward.headers["location"])
    assert "You decide for Luka Nushiani" in page.text
    assert "Luka</span>" not in page.text
    assert 'class="ask-value"' not in page.text
    back = parent.send(page, decision="allow", attribute="income_bracket")
    got = parent.redeem(answered(parent.web.get(back.headers["location"]))["code"]).json()
    assert got["scope"] == "openid purpose:revenue-relief"
    with parent.database.reading() as db:
        assert grants.live(db, citizen=PARENT, purpose="revenue-relief") is None
        held = grants.live(db, citizen=CHILD, purpose="revenue-relief")
    assert held is not None
    assert held.attributes == {"given_name", "income_bracket"}
    for chain in (CHILD, PARENT):
        given = [one for one in parent.history(chain) if one["kind"] == "grant-given"][-1]
        assert given["actor"] == {"kind": "citizen", "id": PARENT}
        assert (given["data"]["citizen"], given["data"]["representative"]) == (CHILD, PARENT)


def test_a_company_knows_both_by_names_of_its_own(parent: Provider) -> None:
    """At a company `sub` and `act.sub` are both pairwise, and the parent is called as in a sign-in of their own."""
    register(parent, "offered", "shop")
    answer = choose(parent, asked(parent, "shop"))
    told = claims_of(parent.redeem(answered(answer)["code"], "shop").json()["id_token"])
    own = choose(parent, asked(parent, "shop"), "self")
    mine = claims_of(parent.redeem(answered(own)["code"], "shop").json()["id_token"])
    assert told["act"]["sub"] == mine["sub"] != PARENT
    assert told["sub"] not in (CHILD, mine["sub"])


def test_silent_renewal_keeps_the_choice_or_asks(parent: Provider) -> None:
    """Without a page the person chosen before stays; before any choice, and after the mandate, the answer is interaction_required."""
    assert answered(parent.authorize(prompt="none"))["error"] == "interaction_required"
    got = tokens(parent)
    again = parent.redeem(answered(parent.authorize(prompt="none"))["code"]).json()
    assert claims_of(again["id_token"])["act"] == {"sub": PARENT}
    hinted = parent.authorize(prompt="none", id_token_hint=expired(parent, got["id_token"]))
    assert claims_of(parent.redeem(answered(hinted)["code"]).json()["id_token"])["sub"] == CHILD
    withdraw(parent)
    assert answered(parent.authorize(prompt="none"))["error"] == "interaction_required"


def test_a_hint_of_ones_own_sign_in_is_about_oneself(parent: Provider) -> None:
    """An ID token of the parent's own sign-in leads to the parent, although the last choice was the child."""
    own = parent.redeem(answered(choose(parent, asked(parent), "self"))["code"]).json()
    tokens(parent)
    renewed = parent.authorize(prompt="none", id_token_hint=own["id_token"])
    told = claims_of(parent.redeem(answered(renewed)["code"]).json()["id_token"])
    assert told["sub"] == PARENT
    assert "act" not in told


def test_a_hint_is_not_for_another_who_acts(parent: Provider) -> None:
    """An ID token that one parent got for a child does not sign the other parent in."""
    hint = tokens(parent)["id_token"]
    father = "9C5YKQ0T2XGMW"
    with parent.database.writing() as db:
        country.be_born(db, father)
    entrust(parent.database, holder=father)
    parent.sign_in(father)
    assert answered(parent.authorize(prompt="none", id_token_hint=hint))["error"] == "login_required"


def test_a_refresh_token_goes_on_for_the_same_two(parent: Provider) -> None:
    """Refreshed tokens name both again, and end with the mandate."""
    got = tokens(parent)
    fresh = parent.token(grant_type="refresh_token", refresh_token=got["refresh_token"]).json()
    assert claims_of(fresh["id_token"])["act"] == {"sub": PARENT}
    assert parent.introspected(fresh["access_token"])["act"] == {"sub": PARENT}
    withdraw(parent)
    again = parent.token(grant_type="refresh_token", refresh_token=got["refresh_token"])
    assert again.json()["error"] == "invalid_grant"


@pytest.mark.parametrize("when", ["choice", "code", "token"])
def test_a_mandate_that_ends_ends_everything(parent: Provider, when: str) -> None:
    """Between choice and code, code and token, token and UserInfo: what comes next fails, in the same moment."""
    if when == "choice":
        page = asked(parent)
        first = parent.send(page, **{"for": re.findall(r'value="([0-9a-f]{32})"', page.text)[0]})
        withdraw(parent)
        again = parent.web.get(first.headers["location"])
        assert "You do not act for this person here any more" in again.text
        return
    if when == "code":
        made = code(parent)
        withdraw(parent)
        assert parent.redeem(made).json()["error"] == "invalid_grant"
        return
    got = tokens(parent, **WHOLE)
    withdraw(parent)
    assert parent.userinfo(got["access_token"]).status_code == 401
    assert parent.introspected(got["access_token"]) == {"active": False}


def test_nothing_outlives_the_last_day(parent: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens end by the clock with the mandate, before anybody notes that it is over."""
    withdraw(parent)
    entrust(parent.database, until=clock.now() + timedelta(seconds=90))
    got = tokens(parent)
    assert got["expires_in"] <= 90
    assert claims_of(got["id_token"])["exp"] <= clock.seconds(clock.now()) + 90
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(seconds=91))
    assert parent.introspected(got["access_token"]) == {"active": False}
    assert "error" in parent.token(grant_type="refresh_token", refresh_token=got["refresh_token"]).json()


def test_a_death_of_who_acts_ends_it(parent: Provider) -> None:
    """What ends all of a person's tokens ends those with which they act for another, and none of the child's own."""
    got = tokens(parent)
    parent.sign_in(CHILD)
    own = parent.tokens()
    with parent.database.writing() as db:
        mandates.end_all(db, PARENT, reason="deceased", actor=SYSTEM)
    assert parent.introspected(got["access_token"]) == {"active": False}
    assert parent.introspected(own["access_token"])["active"] is True


def test_names_are_shown_only_under_a_mandate_that_counts(parent: Provider) -> None:
    """Whoever does not act for somebody any more sees their citizen ID, and no name."""
    with parent.database.reading() as db:
        (one,) = mandates.held_by(db, PARENT)
        assert disclosure.called(db, one) == "Luka Nushiani"
    withdraw(parent)
    with parent.database.reading() as db:
        (one,) = mandates.held_by(db, PARENT)
        assert "Luka" not in disclosure.called(db, one)


def test_logging_out_ends_what_was_for_the_child(parent: Provider) -> None:
    """A token for the child ends with the session of the parent who got it."""
    got = tokens(parent)
    parent.send(parent.web.get("/logout"))
    assert parent.introspected(got["access_token"]) == {"active": False}


def test_a_ward_reads_who_decides_and_can_only_refuse(provider: Provider) -> None:
    """Whoever has a guardian sees on the consent page that another decides, and a forged yes is refused; a no counts."""
    with provider.database.writing() as db:
        country.be_born(db, PARENT)
    entrust(provider.database, ground="guardian")
    provider.sign_in(CHILD)
    arrived = provider.authorize(**WHOLE)
    page = provider.web.get(arrived.headers["location"])
    assert 'id="consent-barred"' in page.text
    assert 'id="problem-reference"' in page.text
    assert 'id="consent-allow"' not in page.text
    assert 'id="consent-deny"' in page.text
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
    forged = {**fields, "decision": "allow", "attribute": "given_name"}
    assert provider.web.post("/consent", data=forged).status_code == 403
    refused = provider.web.post("/consent", data={**fields, "decision": "deny"})
    assert refused.status_code == 303


def test_who_allowed_something_for_another_can_take_it_back(parent: Provider) -> None:
    """What the parent allowed for the child they take back on their own page, in both histories; not what the child allowed."""
    onward = choose(parent, asked(parent, scope="openid purpose:revenue-relief"))
    page = parent.web.get(onward.headers["location"])
    back = parent.send(page, decision="allow")
    got = parent.redeem(answered(parent.web.get(back.headers["location"]))["code"]).json()
    with parent.database.reading() as db:
        given = grants.live(db, citizen=CHILD, purpose="revenue-relief")
        own = grants.live(db, citizen=CHILD, purpose="revenue-sign-in")
        (one,) = mandates.held_by(db, PARENT)
    assert given is not None
    assert own is not None
    shown = parent.web.get("/my/mandates").text
    assert given.grant_id in shown
    assert own.grant_id not in shown
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', shown))
    room = f"/my/mandates/{one.id}/take-back"
    assert parent.web.post(f"{room}/{own.grant_id}", data=hidden).status_code == 404
    assert parent.web.post(f"{room}/{given.grant_id}", data=hidden).status_code == 303
    assert parent.introspected(got["access_token"]) == {"active": False}
    with parent.database.reading() as db:
        assert grants.live(db, citizen=CHILD, purpose="revenue-relief") is None
        assert grants.live(db, citizen=CHILD, purpose="revenue-sign-in")
    for chain in (CHILD, PARENT):
        ended = next(one for one in parent.history(chain) if one["kind"] == "grant-withdrawn")
        assert (ended["data"]["citizen"], ended["data"]["representative"]) == (CHILD, PARENT)
