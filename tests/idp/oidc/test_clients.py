"""Registering clients: what metadata may hold, what is kept, and how a change reaches every process."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.declarations import Reader
from consent.errors import FileRefused
from core.database import Database
from core.events import SYSTEM
from core.settings import Settings
from idp.oidc import clients, metadata
from idp.oidc.client import Client
from tests.conftest import ISSUER
from tests.consent import country
from tests.idp.oidc.provider import API, PORTAL, PUBLIC, Provider

PLAIN: dict[str, Any] = {
    "client_id": "new",
    "agency": "revenue",
    "redirect_uris": ["https://new.example/cb"],
    "sign_in_purpose": "revenue-sign-in",
}


def load(database: Database, *listed: Any) -> dict[str, str]:
    """Load clients as a file would."""
    with database.writing() as db:
        return clients.load(db, {"clients": list(listed)}, actor=SYSTEM)


def kept(database: Database, client_id: str = "new") -> Client:
    """Return a client as stored."""
    with database.reading() as db:
        return clients.read(db, client_id)


def test_a_new_secret_is_shown_once_and_stored_hashed(provider: Provider) -> None:
    """A client without a preset secret gets a random one; only its hash is kept, and loading again keeps it."""
    made = load(provider.database, PLAIN)["new"]
    client = kept(provider.database)
    assert len(made) >= 40
    assert client.secret_hash != made
    assert client.knows_secret(made)
    assert load(provider.database, PLAIN) == {}
    assert kept(provider.database) == client


def test_a_preset_secret_moves_over_from_another_provider(provider: Provider) -> None:
    """client_id and client_secret may be preset, so that an agency need not change its client."""
    assert load(provider.database, {**PLAIN, "client_secret": "from before"}) == {}
    assert kept(provider.database).knows_secret("from before")


@pytest.mark.parametrize(
    ("changes", "required"),
    [
        ({}, False),
        ({"profile": "basic", "require_pkce": True}, True),
        ({"profile": "basic", "token_endpoint_auth_method": "client_secret_post"}, False),
        ({"token_endpoint_auth_method": "none"}, True),
        ({"token_endpoint_auth_method": "none", "require_pkce": False}, True),
    ],
)
def test_who_needs_pkce(provider: Provider, changes: dict[str, Any], required: bool) -> None:
    """An imported client with a secret may do without PKCE unless it says otherwise; a public one never."""
    load(provider.database, {**PLAIN, **changes})
    assert kept(provider.database).require_pkce is required


def test_the_consoles_default_is_pkce_for_all(provider: Provider) -> None:
    """A client that is put by hand needs PKCE unless the metadata says otherwise."""
    with provider.database.writing() as db:
        client, secret = clients.put(db, PLAIN, actor=SYSTEM)
    assert client.require_pkce
    assert secret


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"agency": "nobody"}, "agency"),
        ({"agency": None, "sign_in_purpose": "revenue-sign-in"}, "agency"),
        ({"sign_in_purpose": None}, "sign_in_purpose"),
        ({"sign_in_purpose": "health-sign-in"}, "sign_in_purpose"),
        ({"purposes": ["health-sign-in"]}, "purposes"),
        ({"redirect_uris": []}, "redirect_uris"),
        ({"redirect_uris": ["https://new.example/#x"]}, "redirect_uris[0]"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "redirect_uris[0]"),
        ({"redirect_uris": "https://new.example/cb"}, "redirect_uris"),
        ({"redirect_uris": ["https://new.example/cb"] * 60}, "redirect_uris"),
        ({"grant_types": ["implicit"]}, "grant_types"),
        ({"grant_types": ["password"]}, "grant_types"),
        ({"response_types": ["token"]}, "response_types"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks"),
        ({"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]}, "grant_types"),
        ({"id_token_signed_response_alg": "none"}, "id_token_signed_response_alg"),
        ({"id_token_signed_response_alg": "HS256"}, "id_token_signed_response_alg"),
        ({"client_id": "with blank "}, "client_id"),
        ({"client_id": "desk"}, "client_id"),  # what entries name where a clerk, or staff, read
        ({"client_id": "Staff:7"}, "client_id"),
        ({"client_id": PORTAL, "agency": "health", "sign_in_purpose": "health-sign-in"}, "client_id"),
        ({"client_secret": "é"}, "client_secret"),
        ({"resources": ["not absolute"]}, "resources[0]"),
        ({"serves": [ISSUER]}, "serves[0]"),
        ({"serves": [f"{ISSUER}/"]}, "serves[0]"),
        ({"agency": "health", "sign_in_purpose": "health-sign-in", "serves": [API]}, "serves[0]"),
        ({"default_max_age": "soon"}, "default_max_age"),
        ({"client_uri": "javascript:alert(1)"}, "client_uri"),
        ({"require_pkce": "yes"}, "require_pkce"),
    ],
)
def test_each_mistake_has_its_place_and_nothing_is_taken(
    provider: Provider, changes: dict[str, Any], where: str
) -> None:
    """A file with a mistake is refused whole, with the path of the mistake."""
    good = {**PLAIN, "client_id": "good"}
    with pytest.raises(FileRefused) as refused:
        load(provider.database, good, {**PLAIN, **changes})
    assert [mistake.path for mistake in refused.value.mistakes] == [f"clients[1].{where}"]
    with provider.database.reading() as db:
        assert clients.fetch(db, "good") is None


def test_metadata_nobody_knows_is_ignored(provider: Provider) -> None:
    """Members that RFC 7591 or other providers know and we do not are left alone."""
    load(provider.database, {**PLAIN, "software_version": "2", "logo_uri": "https://new.example/logo"})
    assert kept(provider.database).client_id == "new"


def test_a_client_without_agency_stands_in_the_sandbox(provider: Provider) -> None:
    """Outside production plain RFC 7591 metadata gets a sandbox agency and a sign-in purpose at the lowest assurance."""
    load(provider.database, {"client_id": "dev", "redirect_uris": ["http://localhost:3000/cb"]})
    client = kept(provider.database, "dev")
    assert (client.agency, client.sign_in_purpose) == ("sandbox", "sandbox-sign-in")


def test_production_has_no_sandbox_and_wants_real_secrets(database: Database, settings: Settings) -> None:
    """In production a client names its agency, its secret is long, and its addresses are https."""
    strict = settings.model_copy(update={"mode": "production"})
    database.parts.settings = strict
    with database.writing() as db:
        country.found(db)
    bare = {"client_id": "dev", "redirect_uris": ["https://dev.example/cb"]}
    weak = {**PLAIN, "client_secret": "guess me", "redirect_uris": ["http://new.example/cb"]}
    with pytest.raises(FileRefused) as refused:
        load(database, bare, weak)
    assert [mistake.path.partition("].")[2] for mistake in refused.value.mistakes] == [
        "agency",
        "redirect_uris[0]",
        "client_secret",
    ]


def test_a_change_reaches_another_process_within_a_second(provider: Provider) -> None:
    """A process that knew a client learns of a change within a second, without being told."""
    elsewhere = Database(provider.database.parts, url=provider.database.url)
    with elsewhere.reading() as db:
        assert clients.find(db, PORTAL)
    with provider.database.writing() as db:
        clients.switch(db, PORTAL, active=False, actor=SYSTEM)
    with provider.database.reading() as db:
        assert clients.find(db, PORTAL) is None
    time.sleep(1)
    with elsewhere.reading() as db:
        assert clients.find(db, PORTAL) is None
    elsewhere.close()


def test_a_change_that_is_undone_is_not_remembered(provider: Provider) -> None:
    """What a transaction changed and rolled back is seen by nobody afterwards."""
    with pytest.raises(LookupError), provider.database.writing() as db:
        clients.switch(db, PORTAL, active=False, actor=SYSTEM)
        assert clients.find(db, PORTAL) is None
        raise LookupError
    with provider.database.reading() as db:
        assert clients.find(db, PORTAL) is not None


def test_a_new_secret_replaces_the_old_one(provider: Provider) -> None:
    """After a client got a new secret the old one is refused, and the change stands in the agency's chain."""
    before = kept(provider.database, PORTAL)
    with provider.database.writing() as db:
        secret = clients.new_secret(db, PORTAL, actor=SYSTEM)
    after = kept(provider.database, PORTAL)
    assert after.knows_secret(secret)
    assert after.secret_hash != before.secret_hash
    data = provider.history("agency:revenue")[-1]["data"]
    assert (data["client"], data["new_secret"]) == (PORTAL, True)
    assert secret not in str(data)
    assert after.secret_hash not in str(data)


def test_a_public_client_has_no_secret(provider: Provider) -> None:
    """No text is a public client's secret."""
    client = kept(provider.database, PUBLIC)
    assert client.secret_hash is None
    assert not client.knows_secret("")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = (*PLAIN, "client_secret", "scope", "grant_types", "response_types", "purposes", "resources",
           "token_endpoint_auth_method", "default_max_age", "require_pkce", "client_name", "client_uri", "profile",
           "post_logout_redirect_uris", "application_type")  # fmt: skip


@given(st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=6) | VALUES, st.booleans())
def test_any_metadata_is_read_or_refused(raw: Any, production: bool) -> None:
    """Whatever a file holds for a client, reading it ends with the client or with mistakes that have a place."""
    reader = Reader(("en",))
    found = metadata.read(reader, raw, "clients[0]", production=production)
    metadata.secret(reader, raw, "clients[0]", production=production)
    assert all(mistake.path.startswith("clients[0]") for mistake in reader.mistakes)
    if not reader.mistakes:
        assert found["redirect_uris"] or "authorization_code" not in found["grant_types"]
