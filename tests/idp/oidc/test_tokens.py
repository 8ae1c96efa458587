"""Refresh, revocation, and how tokens end."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from core import clock, sessions
from core.events import Actor, record
from idp import accounts
from idp.events import PasswordSet
from idp.oidc import clients, families, tables, tokens
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import CITIZEN, Provider, claims_of


def refreshed(provider: Provider, token: str, client: str = to.PORTAL, **form: Any) -> Any:
    """Use a refresh token."""
    secret = None if client == to.PUBLIC else to.SECRET
    return provider.token(client, secret, grant_type="refresh_token", refresh_token=token, **form)


def test_a_client_with_a_secret_keeps_its_refresh_token(provider: Provider) -> None:
    """A confidential client refreshes with the same token; the new ID token has no nonce and the old auth_time."""
    provider.sign_in()
    first = provider.tokens()
    again = refreshed(provider, first["refresh_token"])
    assert again.status_code == 200
    assert "refresh_token" not in again.json()
    old, new = claims_of(first["id_token"]), claims_of(again.json()["id_token"])
    assert "nonce" not in new
    assert (new["sub"], new["auth_time"], new["sid"]) == (old["sub"], old["auth_time"], old["sid"])
    assert refreshed(provider, first["refresh_token"]).status_code == 200


def test_a_public_clients_refresh_token_changes_with_each_use(provider: Provider) -> None:
    """A public client gets a new refresh token each time, and the old one used again ends the whole family."""
    provider.sign_in()
    first = provider.tokens(to.PUBLIC)
    second = refreshed(provider, first["refresh_token"], to.PUBLIC).json()
    assert second["refresh_token"] != first["refresh_token"]
    third = refreshed(provider, second["refresh_token"], to.PUBLIC).json()
    stolen = refreshed(provider, first["refresh_token"], to.PUBLIC)
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    assert refreshed(provider, third["refresh_token"], to.PUBLIC).json()["error"] == "invalid_grant"
    assert provider.userinfo(third["access_token"]).status_code == 401
    assert provider.history()[-1]["data"]["what"] == "refresh token"


def test_of_two_refreshes_at_once_one_branch_at_most_lives(provider: Provider) -> None:
    """Two threads with one rotating refresh token: one new token is made, and the reuse ends the family."""
    provider.sign_in()
    database, barrier = provider.database, threading.Barrier(2)

    def rotate(token: str, made: list[Any]) -> None:
        barrier.wait()
        with database.writing() as db:
            client = clients.read(db, to.PUBLIC)
            found = tokens.refreshable(db, token, client)
            made.append(tokens.rotate(db, found, client) if found else None)

    for _round in range(10):
        token, made = provider.tokens(to.PUBLIC)["refresh_token"], list[Any]()
        threads = [threading.Thread(target=rotate, args=(token, made)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [one is not None for one in made].count(True) == 1
        left = next(one for one in made if one)
        assert refreshed(provider, left, to.PUBLIC).json()["error"] == "invalid_grant"


def test_scope_can_shrink_and_never_grow(provider: Provider) -> None:
    """A refresh may ask for less, not for more; asking for more does not use the token up."""
    provider.sign_in()
    provider.allow("given_name")
    first = provider.tokens(to.PUBLIC, scope="openid profile")
    more = refreshed(provider, first["refresh_token"], to.PUBLIC, scope="openid profile email")
    assert more.json()["error"] == "invalid_scope"
    less = refreshed(provider, first["refresh_token"], to.PUBLIC, scope="openid")
    assert less.json()["scope"] == "openid"


def test_another_client_cannot_refresh(provider: Provider) -> None:
    """A refresh token in another client's hands is refused and still works for its own."""
    provider.sign_in()
    token = provider.tokens()["refresh_token"]
    assert refreshed(provider, token, "api").json()["error"] == "unauthorized_client"
    assert refreshed(provider, token, to.PUBLIC).json()["error"] == "invalid_grant"
    assert refreshed(provider, token).status_code == 200


def test_revoking_a_refresh_token_ends_the_family(provider: Provider) -> None:
    """After the refresh token is revoked the access token is dead too (RFC 7009, 2.1)."""
    provider.sign_in()
    given = provider.tokens()
    revoked = provider.post("/revoke", token=given["refresh_token"], token_type_hint="something_else")
    assert revoked.status_code == 200
    assert provider.userinfo(given["access_token"]).status_code == 401
    assert refreshed(provider, given["refresh_token"]).json()["error"] == "invalid_grant"


def test_revoking_an_access_token_ends_it_alone(provider: Provider) -> None:
    """A revoked access token opens nothing any more; the refresh token gets another."""
    provider.sign_in()
    given = provider.tokens()
    assert provider.post("/revoke", token=given["access_token"]).status_code == 200
    assert provider.userinfo(given["access_token"]).status_code == 401
    fresh = refreshed(provider, given["refresh_token"]).json()
    assert provider.userinfo(fresh["access_token"]).json() == {"sub": CITIZEN}


def test_nobody_revokes_anothers_token(provider: Provider) -> None:
    """Revoking a token of another client, or a made-up one, is answered 200 and does nothing."""
    provider.sign_in()
    token = provider.tokens()["access_token"]
    for given in (token, "made up"):
        answer = provider.post("/revoke", "api", token=given)
        assert (answer.status_code, answer.json()) == (200, {})
    assert provider.userinfo(token).status_code == 200


def test_the_end_of_a_session_ends_its_tokens_save_offline_ones(provider: Provider) -> None:
    """Tokens hang on the session they came from, unless the citizen agreed to offline access."""
    session = provider.sign_in()
    plain = provider.tokens()
    provider.allow("given_name")
    asked = provider.authorize(scope="openid profile offline_access", prompt="consent")
    page = provider.web.get(asked.headers["location"])
    answer = to.answered(provider.web.get(provider.send(page, decision="allow").headers["location"]))
    offline = provider.redeem(answer["code"]).json()
    assert offline["scope"] == "openid profile offline_access"
    with provider.database.writing() as db:
        assert tokens.end_for_session(db, session.sid) == 1
    assert provider.userinfo(plain["access_token"]).status_code == 401
    assert provider.userinfo(offline["access_token"]).status_code == 200


def test_a_citizens_end_ends_everything(provider: Provider) -> None:
    """end_for_citizen ends every family of one citizen and of nobody else."""
    provider.sign_in(to.OTHER)
    others = provider.tokens()
    provider.sign_in()
    own = [provider.tokens(client) for client in (to.PORTAL, to.PUBLIC, to.COMPANY)]
    with provider.database.writing() as db:
        assert tokens.end_for_citizen(db, CITIZEN) == 3
    assert [provider.userinfo(one["access_token"]).status_code for one in own] == [401] * 3
    assert provider.userinfo(others["access_token"]).status_code == 200


def test_an_end_that_is_undone_ends_nothing(provider: Provider) -> None:
    """Ending happens in the caller's transaction: rolled back with it, the tokens live on."""
    provider.sign_in()
    token = provider.tokens()["access_token"]
    with pytest.raises(LookupError), provider.database.writing() as db:
        tokens.end_for_citizen(db, CITIZEN)
        raise LookupError
    assert provider.userinfo(token).status_code == 200


def test_an_expired_access_token_is_dead(provider: Provider) -> None:
    """After its time an access token is unknown."""
    provider.sign_in()
    token = provider.tokens()["access_token"]
    with provider.database.writing() as db:
        db.execute(update(tables.access_token).values(expires_at=clock.now()))
    assert provider.userinfo(token).status_code == 401


def test_no_token_is_stored_in_clear(provider: Provider) -> None:
    """Neither codes nor tokens can be read out of the tables."""
    provider.sign_in()
    given = provider.tokens()
    with provider.database.reading() as db:
        for table in (tables.code, tables.access_token, tables.refresh_token, tables.authorization):
            text = str(db.execute(select(table)).all())
            assert given["access_token"] not in text
            assert given["refresh_token"] not in text


def test_purging_keeps_what_can_still_matter(provider: Provider) -> None:
    """Purging deletes what is over, and neither a living token nor the memory of a used code."""
    provider.sign_in()
    old, new = provider.tokens(), provider.tokens()
    long_ago = clock.now() - tokens.REPLAY_MEMORY * 2
    with provider.database.writing() as db:
        table, access = tables.authorization, tables.access_token
        first = db.scalar(
            select(access.c.authorization_id).where(access.c.token_hash == tokens.digest(old["access_token"]))
        )
        db.execute(update(table).where(table.c.id == first).values(created_at=long_ago))
        for tokens_of in (access, tables.refresh_token):
            db.execute(
                update(tokens_of).where(tokens_of.c.authorization_id == first).values(expires_at=long_ago)
            )
        tokens.purge(db)
        assert db.scalar(select(func.count()).select_from(table)) == 1
        assert db.scalar(select(func.count()).select_from(tables.code)) == 1
    assert provider.userinfo(new["access_token"]).status_code == 200


def test_a_family_remembers_who_ended_it(provider: Provider) -> None:
    """An ended family says why, and ending it twice counts once."""
    session = provider.sign_in()
    provider.tokens()
    with provider.database.writing() as db:
        assert families.end_for_session(db, session.sid) == 1
        assert families.end_for_session(db, session.sid) == 0
        assert db.scalar(select(tables.authorization.c.ended_by)) == "session"
    assert isinstance(session, sessions.BrowserSession)


def family_of(provider: Provider, token: str) -> families.Family:
    """Return the family of an access token."""
    with provider.database.reading() as db:
        found = tokens.live(db, token)
        assert found is not None
        return families.read(db, str(found.authorization_id))


def offline(provider: Provider) -> dict[str, Any]:
    """Go through sign-in and consent for offline access."""
    provider.allow("given_name")
    asked = provider.authorize(scope="openid profile offline_access", prompt="consent")
    page = provider.web.get(asked.headers["location"])
    answer = to.answered(provider.web.get(provider.send(page, decision="allow").headers["location"]))
    return dict(provider.redeem(answer["code"]).json())


@pytest.mark.parametrize("whose", [to.PORTAL, to.PUBLIC])
def test_a_refresh_token_ends_with_the_browser_session(provider: Provider, whose: str) -> None:
    """However often it is used, a refresh token without offline access ends when the session would."""
    session = provider.sign_in()
    given = provider.tokens(whose)
    assert family_of(provider, given["access_token"]).refresh_until == session.ends_at
    refreshed(provider, given["refresh_token"], whose)
    with provider.database.reading() as db:
        assert set(db.scalars(select(tables.refresh_token.c.expires_at))) == {session.ends_at}


def test_offline_access_ends_some_day(provider: Provider) -> None:
    """Offline access lasts as long as the settings say from the sign-in on, longer than the session, and no use prolongs it."""
    session = provider.sign_in()
    given = offline(provider)
    family = family_of(provider, given["access_token"])
    life = provider.database.parts.settings.refresh_token_seconds
    assert family.refresh_until - family.created_at == timedelta(seconds=life)
    assert family.refresh_until > session.ends_at
    assert refreshed(provider, given["refresh_token"]).status_code == 200
    with provider.database.writing() as db:
        assert db.scalars(select(tables.refresh_token.c.expires_at)).all() == [family.refresh_until]
        db.execute(update(tables.refresh_token).values(expires_at=clock.now()))
    assert refreshed(provider, given["refresh_token"]).json()["error"] == "invalid_grant"


def test_signing_out_elsewhere_reaches_sessions_that_timed_out(provider: Provider) -> None:
    """Ending the other sessions ends the tokens of idle ones too, and leaves the kept session's."""
    idle = provider.sign_in()
    old = provider.tokens()
    with provider.database.writing() as db:
        table = sessions.browser_session
        db.execute(update(table).values(last_seen_at=clock.now() - timedelta(days=1)))
        assert sessions.by_sid(db, idle.sid) is None
    kept = provider.sign_in()
    own, away = provider.tokens(), offline(provider)
    actor = Actor("citizen", CITIZEN)
    with provider.database.writing() as db:
        accounts.end_sessions(db, CITIZEN, reason="ended-elsewhere", actor=actor, keep=kept)
    assert refreshed(provider, old["refresh_token"]).json()["error"] == "invalid_grant"
    assert refreshed(provider, own["refresh_token"]).status_code == 200
    assert refreshed(provider, away["refresh_token"]).status_code == 200


def test_a_new_password_ends_offline_access(provider: Provider) -> None:
    """Whoever changes their password ends what was given for offline access, and goes on where they are."""
    provider.sign_in()
    own, away = provider.tokens(), offline(provider)
    with provider.database.writing() as db:
        record(db, PasswordSet(), actor=Actor("citizen", CITIZEN), about=[CITIZEN])
    assert refreshed(provider, away["refresh_token"]).json()["error"] == "invalid_grant"
    assert refreshed(provider, own["refresh_token"]).status_code == 200


def test_a_narrowed_token_opens_less(provider: Provider) -> None:
    """A token refreshed for openid alone opens what was asked for by name, and nothing that a scope stood for."""
    provider.sign_in()
    provider.allow("given_name", "income_bracket")
    wish = json.dumps({"userinfo": {"income_bracket": None}})
    given = provider.tokens(scope="openid profile", claims=wish)
    assert set(provider.userinfo(given["access_token"]).json()) == {"sub", "given_name", "income_bracket"}
    less = refreshed(provider, given["refresh_token"], scope="openid").json()
    assert set(provider.userinfo(less["access_token"]).json()) == {"sub", "income_bracket"}
