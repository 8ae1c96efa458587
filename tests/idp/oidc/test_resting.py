"""What clients are told of a sign-in at the highest assurance that was not used for a while."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import update

from consent.assurance import LEVELS
from core import clock
from core.sessions import browser_session
from tests.idp.oidc.provider import Provider, answered, claims_of

_LOW, SUBSTANTIAL, HIGH = LEVELS


def test_clients_are_told_what_a_sign_in_is_worth_now(provider: Provider) -> None:
    """A client that wants the highest gets a step-up, silently an error; another is told the level that is left."""
    provider.sign_in(acr=HIGH)
    assert claims_of(provider.tokens(acr_values=HIGH)["id_token"])["acr"] == HIGH
    with provider.database.writing() as db:
        db.execute(update(browser_session).values(last_seen_at=clock.now() - timedelta(minutes=16)))
    silently = answered(provider.authorize(acr_values=HIGH, prompt="none"))
    assert silently["error"] == "login_required"
    asked = provider.authorize(acr_values=HIGH)
    assert parse_qs(urlsplit(asked.headers["location"]).query)["acr"] == [HIGH]
    tokens = provider.tokens()
    assert claims_of(tokens["id_token"])["acr"] == SUBSTANTIAL
    told = provider.post("/introspect", token=tokens["access_token"]).json()
    assert told["acr"] == SUBSTANTIAL
