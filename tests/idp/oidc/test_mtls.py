"""Clients that prove who they are by certificate, and tokens that are worth nothing without it (RFC 8705)."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import NameOID
from fastapi import FastAPI
from starlette.testclient import TestClient

from consent.errors import FileRefused
from core.database import Database
from core.events import SYSTEM
from core.settings import Settings
from idp.oidc import binding, clients, discovery, metadata, nonces
from idp.oidc.trusted import Trusted
from tests import certificates
from tests.certificates import Made
from tests.conftest import ISSUER
from tests.idp.oidc import provider as to
from tests.idp.oidc.key_server import KeyServer
from tests.idp.oidc.proofs import Prover
from tests.idp.oidc.provider import CALLBACK, VERIFIER, Provider, claims_of
from tests.ports import within

ROOT = certificates.authority()
OFFICE = certificates.make(
    certificates.subject((NameOID.COUNTRY_NAME, "GE"), (NameOID.COMMON_NAME, "revenue")), issuer=ROOT
)
OTHERS = certificates.make("other office", issuer=ROOT)
OWN, SPARE = certificates.make("revenue"), certificates.make("revenue")
BARE = {name: value for name, value in OWN.jwk.items() if name != "x5c"}
MTLS = "https://mtls.erti.example"
PKI, SELF, BOUND, SPA = "by-authority", "by-itself", "bound", "bound-spa"


def keys(*made: Made) -> dict[str, Any]:
    """The keys that a client registers with its certificates."""
    return {"keys": [one.jwk for one in made]}


def registered(client_id: str, **more: Any) -> dict[str, Any]:
    """A client of the revenue service whose tokens are bound to its certificate."""
    return {
        "client_id": client_id,
        "agency": "revenue",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "sign_in_purpose": "revenue-sign-in",
        "purposes": ["revenue-assessment"],
        "resources": [to.API],
        "tls_client_certificate_bound_access_tokens": True,
        **more,
    }


CLIENTS = [
    registered(
        PKI, token_endpoint_auth_method=metadata.TLS_METHOD, tls_client_auth_subject_dn="CN=revenue,C=GE"
    ),
    registered(SELF, token_endpoint_auth_method=metadata.SELF_SIGNED_METHOD, jwks=keys(SPARE, OWN)),
    registered(BOUND, client_secret=to.SECRET),
    registered(
        SPA,
        token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token"],
        resources=[],
    ),
]


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """A service behind a proxy that hands certificates over."""
    authorities = tmp_path / "authorities.pem"
    authorities.write_text(ROOT.pem)
    return settings.model_copy(
        update={
            "trusted_proxies": ("10.0.0.0/8",),
            "client_certificate_header": "Client-Cert",
            "client_ca": authorities,
            "mtls_address": MTLS,
            "outbound_private_hosts": ("127.0.0.1",),
        }
    )


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """A browser and programs, all of them behind that proxy."""
    proxy = ("10.0.0.1", 1)
    with TestClient(app, base_url=ISSUER, follow_redirects=False, client=proxy) as browser:
        yield browser


@pytest.fixture
def office(provider: Provider) -> Provider:
    """The provider with clients that have certificates."""
    with provider.database.writing() as db:
        clients.load(db, {"clients": CLIENTS}, actor=SYSTEM)
    return provider


def shown(made: Made | None) -> dict[str, str]:
    """The header in which the proxy hands a certificate over."""
    return {"Client-Cert": f":{base64.b64encode(made.der).decode()}:"} if made else {}


def ask(
    office: Provider,
    client: str,
    made: Made | None,
    path: str = "/token",
    *,
    headers: Any = None,
    **form: Any,
) -> Any:
    """Post a form as a client that shows a certificate; by default for a token of its own."""
    form = form or {"grant_type": "client_credentials", "scope": "attributes"}
    return office.web.post(
        path, data={"client_id": client, **form}, headers={**shown(made), **(headers or {})}
    )


def redeemed(office: Provider, client: str, made: Made, **changes: Any) -> Any:
    """The answer to a code that a client redeems."""
    parameters = {**to.request(), "client_id": client, "redirect_uri": CALLBACK, **changes}
    code = to.answered(office.web.get("/authorize", params=parameters))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    return ask(office, client, made, code_verifier=VERIFIER, **form)


@pytest.mark.parametrize(("caller", "made"), [(PKI, OFFICE), (SELF, OWN), (SELF, SPARE)])
def test_a_client_is_known_by_its_certificate(office: Provider, caller: str, made: Made) -> None:
    """Token, introspection and revocation take it, and the token is bound to the certificate (RFC 8705, 2 and 3)."""
    answer = ask(office, caller, made)
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    told = ask(office, caller, made, "/introspect", token=token).json()
    assert told["active"] is True
    assert told["cnf"] == {"x5t#S256": binding.thumbprint(made.der)}
    assert ask(office, caller, made, "/revoke", token=token).status_code == 200
    assert ask(office, caller, made, "/introspect", token=token).json() == {"active": False}


PROVES_NOTHING = [
    (PKI, None),
    (PKI, OTHERS),  # vouched for, under another name
    (PKI, OWN),
    (PKI, certificates.make(OFFICE.certificate.subject)),  # the name, signed by itself
    (PKI, certificates.make(OFFICE.certificate.subject, issuer=ROOT, days=(-2, -1))),
    (SELF, None),
    (SELF, OFFICE),
    (SELF, certificates.make("revenue")),
    (to.PORTAL, OFFICE),  # a client that registered a secret
    (to.PUBLIC, OFFICE),
    ("nobody", OFFICE),
]


def test_a_certificate_that_proves_nothing_is_an_invalid_client(office: Provider) -> None:
    """Whatever is wrong, the answer is the same (RFC 6749, 5.2), at each endpoint."""
    for caller, made in PROVES_NOTHING:
        for path in ("/token", "/introspect"):
            answer = ask(office, caller, made, path, grant_type="client_credentials", token="x")
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), (caller, path)


def test_a_certificate_stands_alone(office: Provider) -> None:
    """A client that sends a secret or an assertion beside its certificate authenticates in two ways: refused."""
    for extra in ({"client_secret": "x"}, {"client_assertion": "x"}, {"client_assertion_type": "x"}):
        answer = ask(office, PKI, OFFICE, grant_type="client_credentials", **extra)
        assert answer.status_code == 401, extra
    answer = ask(office, PKI, OFFICE, headers={"Authorization": to.basic(PKI, "x")})
    assert answer.status_code == 401
    assert ask(office, "", OFFICE, grant_type="client_credentials").status_code == 401


def test_a_header_that_a_stranger_sends_is_no_certificate(app: FastAPI, office: Provider) -> None:
    """The attack: the client's certificate is public, so anybody can put it into a header, past the proxy."""
    stranger = TestClient(app, base_url=ISSUER, client=("203.0.113.9", 1))
    for client, made in ((PKI, OFFICE), (SELF, OWN)):
        form = {"client_id": client, "grant_type": "client_credentials"}
        assert stranger.post("/token", data=form, headers=shown(made)).status_code == 401


def test_a_proxy_that_sends_two_certificates_is_refused(office: Provider) -> None:
    """The attack: a second header beside the proxy's own; none of them counts."""
    headers = [("Client-Cert", shown(one)["Client-Cert"]) for one in (OWN, OFFICE)]
    answer = office.web.post("/token", data={"client_id": PKI}, headers=headers)
    assert answer.status_code == 400


def test_a_bound_token_is_worth_nothing_without_its_certificate(house: Database, office: Provider) -> None:
    """The attack: a stolen token at UserInfo and at the attributes; only the certificate it is bound to opens them."""
    office.sign_in()
    token = redeemed(office, PKI, OFFICE).json()["access_token"]
    own = ask(office, PKI, OFFICE).json()["access_token"]
    body = {"citizen": to.CITIZEN, "purpose": "revenue-assessment", "attributes": ["given_name"]}
    for made, opened in ((None, False), (OTHERS, False), (OWN, False), (OFFICE, True)):
        told = office.web.get("/userinfo", headers={"Authorization": f"Bearer {token}", **shown(made)})
        assert told.status_code == (200 if opened else 401)
        read = office.web.post(
            "/attributes/read", json=body, headers={"Authorization": f"Bearer {own}", **shown(made)}
        )
        assert (read.status_code == 401) is not opened
        if not opened:
            assert 'error="invalid_token"' in told.headers["www-authenticate"]
            assert 'error="invalid_token"' in read.headers["www-authenticate"]


def test_a_jwt_for_another_resource_names_the_certificate(office: Provider) -> None:
    """A token that its own resource checks says what it is bound to (RFC 8705, 3.1)."""
    answer = ask(office, SELF, OWN, grant_type="client_credentials", scope="attributes", resource=to.API)
    assert claims_of(answer.json()["access_token"])["cnf"] == {"x5t#S256": binding.thumbprint(OWN.der)}


def test_a_client_with_a_secret_can_have_bound_tokens(office: Provider) -> None:
    """How a client authenticates and what its tokens are bound to are two things; without a certificate there is none."""
    headers = {"Authorization": to.basic(BOUND, to.SECRET)}
    bound = ask(office, BOUND, OWN, headers=headers)
    assert bound.status_code == 200, bound.text
    assert ask(office, BOUND, OWN, "/introspect", headers=headers, token=bound.json()["access_token"]).json()[
        "cnf"
    ]
    unbound = ask(office, BOUND, None, headers=headers)
    assert (unbound.status_code, unbound.json()["error"]) == (400, "invalid_request")


def test_each_token_is_bound_to_the_certificate_of_its_call(office: Provider) -> None:
    """A confidential client renews its certificate and goes on with its refresh token (RFC 8705, 7.1)."""
    office.sign_in()
    first = redeemed(office, SELF, SPARE, scope="openid offline_access").json()
    again = ask(office, SELF, OWN, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert again.status_code == 200, again.text
    fresh = again.json()["access_token"]
    headers = {"Authorization": f"Bearer {fresh}"}
    assert office.web.get("/userinfo", headers={**headers, **shown(OWN)}).status_code == 200
    assert office.web.get("/userinfo", headers={**headers, **shown(SPARE)}).status_code == 401


def test_a_certificate_and_a_proof_go_together_at_the_alias(office: Provider) -> None:
    """Authenticated by certificate, bound to a key as well: the proof names the alias, where it is sent (RFC 9449, 4.3)."""
    prover = Prover()
    prover.nonce = nonces.current(office.database.parts)
    for named, status in ((f"{MTLS}/token", 200), (f"{ISSUER}/token", 400)):
        proof = {"DPoP": prover.proof("POST", named)}
        answer = ask(office, SELF, OWN, f"{MTLS}/token", headers=proof)
        assert answer.status_code == status, answer.text
        if status == 200:
            token = answer.json()["access_token"]
    both = {"jkt": prover.jkt, "x5t#S256": binding.thumbprint(OWN.der)}
    assert ask(office, SELF, OWN, "/introspect", token=token).json()["cnf"] == both
    for made, held, opened in (
        (OWN, prover, True),
        (SPARE, prover, False),
        (None, prover, False),
        (OWN, Prover(), False),
    ):
        held.nonce = prover.nonce
        shows = held.proof("GET", f"{ISSUER}/grants/none", token=token)
        headers = {"Authorization": f"DPoP {token}", "DPoP": shows, **shown(made)}
        assert (office.web.get("/grants/none", headers=headers).status_code == 401) is not opened


def test_a_public_clients_refresh_token_needs_the_certificate_too(office: Provider) -> None:
    """The attack: a stolen refresh token of a client without secret; it opens nothing elsewhere (RFC 8705, 4)."""
    office.sign_in()
    held = redeemed(office, SPA, OWN, scope="openid offline_access").json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": held}
    for made in (SPARE, None):
        assert ask(office, SPA, made, **form).status_code == 400, "another's certificate, or none"
    answer = ask(office, SPA, OWN, **form)
    assert answer.status_code == 200, answer.text


def test_the_document_says_where_certificates_are_seen(office: Provider, settings: Settings) -> None:
    """Aliases stand for every endpoint that clients call, and what cannot work is not advertised."""
    document = office.web.get("/.well-known/openid-configuration").json()
    assert document["tls_client_certificate_bound_access_tokens"] is True
    aliases = document["mtls_endpoint_aliases"]
    assert {"token_endpoint", "userinfo_endpoint", "introspection_endpoint", "revocation_endpoint"} <= set(
        aliases
    )
    assert all(document[name] == ISSUER + address.removeprefix(MTLS) for name, address in aliases.items())
    assert set(metadata.TLS_METHODS) <= set(document["token_endpoint_auth_methods_supported"])

    unvouched = discovery.document(settings.model_copy(update={"client_ca": None}))
    assert metadata.TLS_METHOD not in unvouched["token_endpoint_auth_methods_supported"]
    assert metadata.SELF_SIGNED_METHOD in unvouched["token_endpoint_auth_methods_supported"]
    blind = discovery.document(Settings())
    assert not set(metadata.TLS_METHODS) & set(blind["token_endpoint_auth_methods_supported"])
    assert not {"mtls_endpoint_aliases", "tls_client_certificate_bound_access_tokens"} & set(blind)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"tls_client_auth_subject_dn": None}, "tls_client_auth_subject_dn"),
        ({"tls_client_auth_san_dns": "revenue.example"}, "tls_client_auth_subject_dn"),
        ({"tls_client_auth_subject_dn": "revenue"}, "tls_client_auth_subject_dn"),
        (
            {"tls_client_auth_subject_dn": None, "tls_client_auth_san_dns": "*.example"},
            "tls_client_auth_san_dns",
        ),
        ({"token_endpoint_auth_method": metadata.SELF_SIGNED_METHOD}, "jwks"),
        ({"token_endpoint_auth_method": metadata.SELF_SIGNED_METHOD, "jwks": {"keys": [BARE]}}, "jwks"),
    ],
)
def test_a_client_that_no_certificate_could_prove_is_refused(
    office: Provider, changes: dict[str, Any], where: str
) -> None:
    """None or two expected names, a name that no certificate holds, or no certificate at all: not registered."""
    declared = {
        name: value
        for name, value in {**CLIENTS[0], "client_id": "new", **changes}.items()
        if value is not None
    }
    with pytest.raises(FileRefused) as refused, office.database.writing() as db:
        clients.put(db, declared, actor=SYSTEM)
    assert [mistake.path for mistake in refused.value.mistakes] == [f"client.{where}"]


def test_tls_lets_in_what_clients_registered(office: Provider) -> None:
    """What TLS at the service itself is to let in follows registrations at once: added, replaced, switched off."""
    trusted = Trusted(office.database)
    assert trusted.certificates() == {SPARE.der, OWN.der}
    with office.database.writing() as db:
        clients.put(db, {**CLIENTS[1], "jwks": keys(OWN)}, actor=SYSTEM)
    assert trusted.certificates() == {OWN.der}
    with office.database.writing() as db:
        clients.switch(db, SELF, active=False, actor=SYSTEM)
        clients.put(db, {**CLIENTS[2], "jwks": keys(SPARE)}, actor=SYSTEM)
    assert trusted.certificates() == {SPARE.der}


def test_a_client_keeps_its_certificates_at_its_own_address(office: Provider) -> None:
    """Those at a jwks_uri count when they are first needed, and a new one as soon as it is shown; TLS lets them in too."""
    published = KeyServer(OWN.jwk)
    moved = registered("moved", token_endpoint_auth_method=metadata.SELF_SIGNED_METHOD)
    try:
        with office.database.writing() as db:
            clients.put(db, {**moved, "jwks_uri": published.uri}, actor=SYSTEM)
        trusted = Trusted(office.database)
        assert within(5, lambda: OWN.der in trusted.certificates())
        assert ask(office, "moved", OWN).status_code == 200
        fresh = certificates.make("fresh")
        assert ask(office, "moved", fresh).status_code == 401
        published.keys.append(fresh.jwk)
        assert ask(office, "moved", fresh).status_code == 200
        assert {OWN.der, fresh.der} <= trusted.certificates()
        asked = published.asked
        for _ in range(5):
            assert ask(office, "moved", certificates.make("thief")).status_code == 401
        assert published.asked == asked, "whoever shows this and that does not make us call on and on"
    finally:
        published.close()
