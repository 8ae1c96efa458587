"""Tokens bound to a key: what a thief of a token, a code or a refresh token gets without it (RFC 9449)."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from core import clock
from core.events import SYSTEM
from core.settings import Settings
from idp.oidc import assertions, binding, clients, discovery, dpop, nonces
from idp.oidc.calls import Call
from idp.oidc.dpop import Proof
from service.app import open_house
from tests.conftest import ISSUER
from tests.consent.country import LOW
from tests.idp.oidc import provider as to
from tests.idp.oidc.proofs import Prover
from tests.idp.oidc.provider import CITIZEN, Provider, answered, claims_of
from tests.idp.oidc.signer import OWN, Signer

TOKEN, USERINFO = f"{ISSUER}/token", f"{ISSUER}/userinfo"


@pytest.fixture(autouse=True)
def one_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep to the minute in which a test begins, so that its nonce is not renewed in between."""
    minute = int(time.time()) // nonces.SECONDS
    monkeypatch.setattr(nonces, "_minute", lambda: minute)


@pytest.fixture
def prover(provider: Provider) -> Prover:
    """A client's key, with a nonce that the server gave it."""
    prover = Prover()
    prover.nonce = nonces.current(provider.database.parts)
    return prover


def redeem(provider: Provider, code: str, *proofs: str, client: str = to.PUBLIC) -> Any:
    """Redeem a code with whatever proofs."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": to.redirect_uri(client),
        "code_verifier": to.VERIFIER,
    }
    return post(provider, "/token", client, *proofs, **form)


def post(provider: Provider, path: str, client: str, *proofs: str, **form: str) -> Any:
    """Post a form as a client, with whatever proofs."""
    headers = [("DPoP", proof) for proof in proofs]
    if client == to.PUBLIC:
        form["client_id"] = client
    else:
        headers.append(("Authorization", to.basic(client, to.SECRET)))
    return provider.web.post(path, data=form, headers=headers)


def tokens(provider: Provider, prover: Prover, client: str = to.PUBLIC, **asked: Any) -> dict[str, Any]:
    """Go through the whole flow with a proof."""
    answer = redeem(provider, provider.code(client, **asked), prover.proof("POST", TOKEN), client=client)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refresh(provider: Provider, token: str, *proofs: str, client: str = to.PUBLIC) -> Any:
    """Refresh with whatever proofs."""
    return post(provider, "/token", client, *proofs, grant_type="refresh_token", refresh_token=token)


def userinfo(provider: Provider, token: str, *proofs: str, scheme: str = "DPoP") -> Any:
    """Ask UserInfo with whatever proofs."""
    headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)]
    return provider.web.get("/userinfo", headers=headers)


def own_token(provider: Provider, *proofs: str, scope: str = "attributes") -> Any:
    """Ask for a token of the portal's own."""
    return post(provider, "/token", to.PORTAL, *proofs, grant_type="client_credentials", scope=scope)


def test_a_stolen_token_is_worth_nothing_without_its_key(provider: Provider, prover: Prover) -> None:
    """It opens UserInfo with a proof by its key, and neither as Bearer, nor without a proof, nor by another key."""
    provider.sign_in(acr=LOW)
    given = tokens(provider, prover)
    assert given["token_type"] == "DPoP"
    token, thief = given["access_token"], Prover()
    thief.nonce = prover.nonce
    for scheme in ("DPoP", "dpop", "DPOP"):
        told = userinfo(provider, token, prover.proof("GET", USERINFO, token=token), scheme=scheme)
        assert told.json() == {"sub": CITIZEN}
    as_bearer = userinfo(provider, token, prover.proof("GET", USERINFO, token=token), scheme="Bearer")
    in_form = provider.web.post("/userinfo", data={"access_token": token})
    by_thief = userinfo(provider, token, thief.proof("GET", USERINFO, token=token))
    for refused in (as_bearer, in_form, by_thief):
        assert refused.status_code == 401
        assert refused.json()["error"] == "invalid_token"
        assert refused.headers["www-authenticate"].startswith('DPoP error="invalid_token"')
    bare = userinfo(provider, token)
    assert (bare.status_code, bare.json()["error"]) == (401, "invalid_dpop_proof")


def test_a_bearer_token_is_not_taken_as_a_bound_one(provider: Provider, prover: Prover) -> None:
    """Who holds a token that is bound to nothing cannot pass it off as bound, with a proof by any key."""
    provider.sign_in(acr=LOW)
    token = provider.tokens(to.PUBLIC)["access_token"]
    refused = userinfo(provider, token, prover.proof("GET", USERINFO, token=token))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
    assert provider.userinfo(token).status_code == 200


def test_a_proof_is_good_once(provider: Provider, prover: Prover) -> None:
    """Sent again, at the token endpoint or at UserInfo, it is refused; a new jti by the same key is not."""
    provider.sign_in(acr=LOW)
    proof = prover.proof("POST", TOKEN)
    token = redeem(provider, provider.code(to.PUBLIC), proof).json()["access_token"]
    code = provider.code(to.PUBLIC)
    again = redeem(provider, code, proof)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_dpop_proof")
    assert redeem(provider, code, prover.proof("POST", TOKEN)).status_code == 200
    proof = prover.proof("GET", USERINFO, token=token, jti="fixed")
    assert userinfo(provider, token, proof).status_code == 200
    replayed = userinfo(provider, token, proof)
    other = userinfo(provider, token, prover.proof("GET", USERINFO, token=token, jti="fixed", iat=1))
    for refused in (replayed, other):
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_dpop_proof")
        assert refused.headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof"')


def test_of_one_proof_sent_by_many_at_once_one_passes(provider: Provider, prover: Prover) -> None:
    """Eight threads with the same request: one is answered, on either engine."""
    provider.sign_in(acr=LOW)
    token = tokens(provider, prover)["access_token"]
    proof, answers, barrier = prover.proof("GET", USERINFO, token=token), [], threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        answers.append(userinfo(provider, token, proof).status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [401] * 7


def test_who_lacks_a_nonce_is_sent_for_one_and_loses_nothing(provider: Provider) -> None:
    """At the token endpoint by 400, at UserInfo by 401, with the nonce to take; code and proof are not used up."""
    provider.sign_in(acr=LOW)
    prover, code = Prover(), provider.code(to.PUBLIC)
    refused = redeem(provider, code, prover.proof("POST", TOKEN, jti="kept"))
    assert (refused.status_code, refused.json()["error"]) == (400, "use_dpop_nonce")
    assert refused.headers["cache-control"] == "no-store"
    prover.nonce = refused.headers["dpop-nonce"]
    given = redeem(provider, code, prover.proof("POST", TOKEN, jti="kept"))
    assert given.status_code == 200
    assert "dpop-nonce" not in given.headers
    token, prover.nonce = given.json()["access_token"], None
    refused = userinfo(provider, token, prover.proof("GET", USERINFO, token=token))
    assert (refused.status_code, refused.json()["error"]) == (401, "use_dpop_nonce")
    assert refused.headers["www-authenticate"].startswith('DPoP error="use_dpop_nonce"')
    prover.nonce = refused.headers["dpop-nonce"]
    assert userinfo(provider, token, prover.proof("GET", USERINFO, token=token)).status_code == 200


def test_who_is_sent_for_a_nonce_comes_again_with_the_same_assertion(provider: Provider) -> None:
    """A client that signs its own proof of identity does not have to sign anew: it was not used up, at PAR and /token."""
    Signer(provider).register(profile="fapi2", dpop_bound_access_tokens=True, require_pkce=True)
    asked = {
        "response_type": "code",
        "redirect_uri": "https://signer.example/cb",
        "code_challenge": to.CHALLENGE,
        "code_challenge_method": "S256",
        "scope": "openid",
    }
    for path, form, good in (("/par", asked, 201), ("/token", OWN, 200)):
        prover = Prover()
        once = {"client_assertion_type": assertions.TYPE, "client_assertion": Signer(provider).assertion()}
        for status in (400, good, 401):
            proof = prover.proof("POST", ISSUER + path)
            answer = provider.web.post(path, data={**form, **once}, headers={"DPoP": proof})
            assert answer.status_code == status, answer.text
            prover.nonce = answer.headers.get("dpop-nonce", prover.nonce)


def test_an_answer_brings_the_next_nonce_when_there_is_one(
    provider: Provider, prover: Prover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who used the nonce of the last minute gets this minute's with the answer, good or not."""
    provider.sign_in(acr=LOW)
    code, minute = provider.code(to.PUBLIC), int(time.time()) // 60
    monkeypatch.setattr(nonces, "_minute", lambda: minute + 1)
    given = redeem(provider, code, prover.proof("POST", TOKEN))
    fresh = nonces.current(provider.database.parts)
    assert given.headers["dpop-nonce"] == fresh != prover.nonce
    token = given.json()["access_token"]
    told = userinfo(provider, token, prover.proof("GET", USERINFO, token=token))
    assert told.headers["dpop-nonce"] == fresh
    bad = redeem(provider, "no code", prover.proof("POST", TOKEN))
    assert (bad.json()["error"], bad.headers["dpop-nonce"]) == ("invalid_grant", fresh)


def test_every_node_knows_the_nonces_of_the_others(provider: Provider, settings: Settings) -> None:
    """A second process of the same house makes the same nonce; another house does not."""
    node = open_house(settings)
    assert nonces.current(node.parts) == nonces.current(provider.database.parts)
    assert nonces.knows(node.parts, nonces.current(provider.database.parts))
    node.close()


def test_a_public_clients_refresh_token_is_bound_to_its_key(provider: Provider, prover: Prover) -> None:
    """With another key, or none, it gives nothing and is not used up; with its own it rotates, and stays bound."""
    provider.sign_in(acr=LOW)
    token, thief = tokens(provider, prover)["refresh_token"], Prover()
    thief.nonce = prover.nonce
    for proofs in ((), (thief.proof("POST", TOKEN),)):
        refused = refresh(provider, token, *proofs)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    fresh = refresh(provider, token, prover.proof("POST", TOKEN))
    assert fresh.json()["token_type"] == "DPoP"
    # The old one in a thief's hands, without the key, ends nothing.
    assert refresh(provider, token, thief.proof("POST", TOKEN)).status_code == 400
    again = refresh(provider, fresh.json()["refresh_token"], thief.proof("POST", TOKEN))
    assert again.json()["error"] == "invalid_grant"
    assert refresh(provider, fresh.json()["refresh_token"], prover.proof("POST", TOKEN)).status_code == 200


def test_a_refresh_with_a_proof_binds_what_was_not_bound(provider: Provider, prover: Prover) -> None:
    """A public client that begins to send proofs gets a refresh token that is bound from then on (RFC 9449, 5)."""
    provider.sign_in(acr=LOW)
    bare = provider.tokens(to.PUBLIC)["refresh_token"]
    bound = refresh(provider, bare, prover.proof("POST", TOKEN)).json()
    assert bound["token_type"] == "DPoP"
    assert refresh(provider, bound["refresh_token"]).json()["error"] == "invalid_grant"
    again = refresh(provider, bound["refresh_token"], prover.proof("POST", TOKEN)).json()
    assert refresh(provider, again["refresh_token"]).json()["error"] == "invalid_grant"


def test_the_log_says_what_a_clients_developer_has_to_change(provider: Provider, prover: Prover) -> None:
    """A refused proof is told with client, endpoint and reason, and nothing that the proof holds; a nonce is not news."""
    with capture_logs() as told:
        redeem(provider, "no code", prover.proof("GET", TOKEN, jti="in the proof"))
        userinfo(provider, "no token", prover.proof("GET", USERINFO, token="another", jti="in the proof"))
        redeem(provider, "no code", Prover().proof("POST", TOKEN))
    assert [
        (one["client"], one["endpoint"], one["detail"]) for one in told if one["event"] == "proof refused"
    ] == [
        (to.PUBLIC, "/token", "htm is not the method of this request."),
        ("", "/userinfo", "ath is not the hash of the access token."),
    ]
    assert "in the proof" not in str(told)


def test_a_client_with_a_secret_may_change_its_key_when_it_refreshes(
    provider: Provider, prover: Prover
) -> None:
    """Its refresh token is bound to its secret already; the new access token is bound to the new key."""
    provider.sign_in(acr=LOW)
    given, other = tokens(provider, prover, to.PORTAL), Prover()
    other.nonce = prover.nonce
    fresh = refresh(provider, given["refresh_token"], other.proof("POST", TOKEN), client=to.PORTAL).json()
    token = fresh["access_token"]
    assert userinfo(provider, token, other.proof("GET", USERINFO, token=token)).status_code == 200
    assert userinfo(provider, token, prover.proof("GET", USERINFO, token=token)).status_code == 401


def test_a_code_that_is_bound_to_a_key_is_redeemed_by_that_key_alone(
    provider: Provider, prover: Prover
) -> None:
    """`dpop_jkt` goes with the request; a stolen code and verifier give nothing with another key, or without one."""
    provider.sign_in(acr=LOW)
    thief = Prover()
    thief.nonce = prover.nonce
    for proofs in ((), (thief.proof("POST", TOKEN),)):
        refused = redeem(provider, provider.code(to.PUBLIC, dpop_jkt=prover.jkt), *proofs)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert tokens(provider, prover, dpop_jkt=prover.jkt)["token_type"] == "DPoP"


def test_a_proof_with_a_pushed_request_binds_its_code(provider: Provider, prover: Prover) -> None:
    """PAR sends for a nonce as `/token` does, takes a proof for a `dpop_jkt`, and refuses two that differ."""
    provider.sign_in(acr=LOW)
    address, thief = f"{ISSUER}/par", Prover()
    thief.nonce = prover.nonce

    def push(*proofs: str, **changes: Any) -> Any:
        return post(provider, "/par", to.PUBLIC, *proofs, **to.request(to.PUBLIC, **changes))

    unproven = push(Prover().proof("POST", address))
    assert (unproven.status_code, unproven.json()["error"]) == (400, "use_dpop_nonce")
    assert unproven.headers["dpop-nonce"] == prover.nonce
    differ = push(prover.proof("POST", address), dpop_jkt=thief.jkt)
    assert (differ.status_code, differ.json()["error"]) == (400, "invalid_dpop_proof")
    proof = prover.proof("POST", address)
    for proofs, named in (
        ((proof,), {}),
        ((prover.proof("POST", address),), {"dpop_jkt": prover.jkt}),
        ((), {"dpop_jkt": prover.jkt}),
    ):
        for holder, status in ((thief, 400), (prover, 200)):
            again = tuple(prover.proof("POST", address) for _proof in proofs) if holder is prover else proofs
            pushed = push(*again, **named)
            assert pushed.status_code == 201, pushed.text
            parameters = {"client_id": to.PUBLIC, "request_uri": pushed.json()["request_uri"]}
            code = answered(provider.web.get("/authorize", params=parameters))["code"]
            assert redeem(provider, code, holder.proof("POST", TOKEN)).status_code == status
    assert push(proof).json()["error"] == "invalid_dpop_proof"


def test_a_dpop_jkt_that_is_no_thumbprint_is_refused(provider: Provider) -> None:
    """It is the SHA-256 of a key in base64url; the client is told so, at its redirect URI."""
    provider.sign_in(acr=LOW)
    for jkt in ("short", "x" * 44, "=" * 43):
        assert answered(provider.authorize(to.PUBLIC, dpop_jkt=jkt))["error"] == "invalid_request"


def test_a_client_whose_tokens_must_be_bound_gets_none_without_a_proof(
    provider: Provider, prover: Prover
) -> None:
    """`dpop_bound_access_tokens`: without a proof the request is refused, and the code is still good."""
    metadata = next(one for one in to.CLIENTS if one["client_id"] == to.PUBLIC)
    with provider.database.writing() as db:
        clients.put(db, {**metadata, "dpop_bound_access_tokens": True}, actor=SYSTEM)
    provider.sign_in(acr=LOW)
    code = provider.code(to.PUBLIC)
    refused = redeem(provider, code)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")
    assert redeem(provider, code, prover.proof("POST", TOKEN)).json()["token_type"] == "DPoP"


def test_who_registered_key_and_certificate_has_to_show_both(provider: Provider) -> None:
    """With both flags in its metadata neither alone will do; with the certificate's alone a proof binds as well."""
    with provider.database.reading() as db:
        plain = clients.read(db, to.PORTAL)
    proof = Proof(jkt="thumbprint", seen_as="", until=clock.now())
    bare = Call("POST", TOKEN)
    shown = replace(bare, certificate=b"certificate")
    key, certificate = {"jkt": "thumbprint"}, {"x5t#S256": binding.thumbprint(b"certificate")}
    tls = replace(plain, tls_client_certificate_bound_access_tokens=True)
    both = replace(tls, dpop_bound_access_tokens=True)
    assert binding.of(plain, shown, None) is None
    assert binding.of(plain, shown, proof) == key
    assert binding.of(tls, shown, None) == certificate
    assert binding.of(both, shown, proof) == binding.of(tls, shown, proof) == {**key, **certificate}
    for client, call, told in (
        (both, shown, None),
        (both, bare, proof),
        (tls, bare, proof),
        (tls, bare, None),
    ):
        with pytest.raises(binding.NotShown):
            binding.of(client, call, told)
    assert binding.holds({**key, **certificate}, {**key, **certificate})
    assert not binding.holds({**key, **certificate}, key)
    assert not binding.holds(key, certificate)


def test_a_bad_proof_does_not_use_the_code_up(provider: Provider, prover: Prover) -> None:
    """Whatever is wrong with a proof is said before the code is looked at, and before the client is; fast, too."""
    provider.sign_in(acr=LOW)
    good, code = prover.proof("POST", TOKEN), provider.code(to.PUBLIC)
    for proofs in (
        (good, prover.proof("POST", TOKEN)),
        (prover.proof("POST", TOKEN, header={"typ": "JWT"}),),
        (prover.proof("POST", USERINFO),),
        (prover.proof("POST", TOKEN, pad="x" * 40_000),),  # more than that the server does not even read
        ("\x01.\x7f.x",),
    ):
        began = time.process_time()
        refused = redeem(provider, code, *proofs)
        assert time.process_time() - began < 0.5
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")
    assert redeem(provider, code, good).status_code == 200


def test_introspection_and_the_jwt_say_what_a_token_is_bound_to(provider: Provider, prover: Prover) -> None:
    """`cnf` holds the key's thumbprint in both, and introspection says that the token is no bearer token."""
    provider.sign_in(acr=LOW)
    given = tokens(provider, prover, to.PORTAL, resource=to.API)
    assert claims_of(given["access_token"])["cnf"] == {"jkt": prover.jkt}
    told = provider.introspected(given["access_token"], "api")
    assert (told["cnf"], told["token_type"]) == ({"jkt": prover.jkt}, "DPoP")
    bare = provider.introspected(provider.tokens()["access_token"])
    assert "cnf" not in bare
    assert bare["token_type"] == "Bearer"


def test_a_clients_own_token_is_bound_as_well(provider: Provider, prover: Prover) -> None:
    """Reads, grants and signals take it with a proof for their own address, and refuse it as Bearer."""
    given = own_token(provider, prover.proof("POST", TOKEN)).json()
    assert given["token_type"] == "DPoP"
    token = given["access_token"]

    def ask(method: str, path: str, proof: str | None, scheme: str = "DPoP") -> Any:
        headers = {"Authorization": f"{scheme} {token}"} | ({"DPoP": proof} if proof else {})
        return provider.web.request(method, path, headers=headers, content=b"{}")

    for method, path in (
        ("POST", "/attributes/read"),
        ("GET", "/grants/x"),
        ("DELETE", "/grants/x"),
        ("GET", "/ssf/stream"),
    ):
        proof = prover.proof(method, ISSUER + path, token=token)
        taken = ask(method, path, proof)
        assert taken.status_code in (403, 404, 400, 422), (
            path,
            taken.text,
        )  # the token was taken, the rest is wrong
        assert taken.json().get("error") in (None, "insufficient_scope")
        for refused in (ask(method, path, proof), ask(method, path, None), ask(method, path, None, "Bearer")):
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("DPoP error=")


def test_a_browser_may_send_proofs_and_read_nonces(provider: Provider) -> None:
    """Programs in a page of any origin may send the header, and see nonce and challenge of the answer."""
    allowed = provider.web.options("/token").headers["access-control-allow-headers"]
    assert "dpop" in allowed
    refused = provider.web.get("/userinfo")
    challenge = refused.headers["www-authenticate"]
    assert challenge.startswith("Bearer resource_metadata=")
    assert ', DPoP algs="ES256 PS256 EdDSA Ed25519"' in challenge
    exposed = refused.headers["access-control-expose-headers"]
    assert {"DPoP-Nonce", "WWW-Authenticate"} <= set(exposed.split(", "))


def test_discovery_names_the_algorithms(settings: Settings) -> None:
    """What is advertised is what is taken (RFC 9449, 5.1)."""
    assert discovery.document(settings)["dpop_signing_alg_values_supported"] == list(dpop.ALGORITHMS)
