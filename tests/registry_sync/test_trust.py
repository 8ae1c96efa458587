"""Who is believed: messages that only a registry can have made, and every forgery refused."""

import base64
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jws
from sqlalchemy import func, select

from core import clock
from core.database import Database
from core.settings import Settings
from registry_sync import api, quarantine, tables, trust
from registry_sync.errors import MessageRefused
from tests.conftest import ISSUER
from tests.registry_sync.conftest import (
    CIVIL,
    EDWARDS,
    ELSEWHERE,
    TAX,
    Load,
    Send,
    outcome,
    signed,
    somebody,
    spoilt,
    state,
)  # fmt: skip


def unsigned() -> str:
    """Return a token of algorithm `none`."""
    parts = ({"alg": "none", "typ": "secevent+jwt", "kid": "civil-1"}, spoilt())
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        + "."
    )


def tampered() -> str:
    """Return a genuine token whose claims were changed after signing."""
    head, _body, signature = signed(spoilt()).split(".")
    body = base64.urlsafe_b64encode(json.dumps(spoilt(jti="other")).encode()).decode().rstrip("=")
    return f"{head}.{body}.{signature}"


def confused() -> str:
    """Return a token whose HMAC was made with the registry's public key (RFC 8725, 2.1)."""
    header = {"alg": "HS256", "typ": "secevent+jwt", "kid": "civil-1"}
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, spoilt()))
    content = b".".join(parts)
    code = hmac.digest(CIVIL.as_pem(private=False), content, "sha256")
    return (content + b"." + base64.urlsafe_b64encode(code).rstrip(b"=")).decode()


LATER = clock.seconds(clock.now()) + 36_000


@pytest.mark.parametrize(
    ("token", "err"),
    [
        (lambda: signed(spoilt(), ELSEWHERE), "authentication_failed"),
        (tampered, "authentication_failed"),
        (unsigned, "invalid_key"),
        (confused, "invalid_key"),
        (lambda: signed(spoilt(), CIVIL, kid="unknown"), "invalid_key"),
        (lambda: signed(spoilt(), TAX, kid="civil-1"), "invalid_key"),
        (lambda: signed(spoilt(), CIVIL, typ="JWT"), "invalid_request"),
        (lambda: signed(spoilt(), CIVIL, typ=None), "invalid_request"),
        (lambda: signed(spoilt(iss="https://else.example")), "invalid_issuer"),
        (lambda: signed(spoilt(iss=["https://civil.example"])), "invalid_issuer"),
        (lambda: signed(spoilt(aud="https://else.example")), "invalid_audience"),
        (lambda: signed(spoilt(aud=None)), "invalid_audience"),
        (lambda: signed(spoilt(iat=LATER)), "invalid_request"),
        (lambda: signed(spoilt(iat=None)), "invalid_request"),
        (lambda: signed(spoilt(toe=LATER)), "invalid_request"),
        (lambda: signed(spoilt(toe="yesterday")), "invalid_request"),
        (lambda: signed(spoilt(exp=1_000_000)), "invalid_request"),
        (lambda: signed(spoilt(jti=None)), "invalid_request"),
        (lambda: signed(spoilt(jti="x" * 300)), "invalid_request"),
        (lambda: signed(spoilt(events={})), "invalid_request"),
        (lambda: signed(spoilt(events={"a": {}, "b": {}})), "invalid_request"),
        (lambda: signed(spoilt(events={"urn:erti:registry:death": []})), "invalid_request"),
        (lambda: signed(spoilt(iss="tax"), TAX), "access_denied"),
        (lambda: "a.b", "invalid_request"),
        (lambda: "", "invalid_request"),
        (lambda: ("[" * 9_000).encode().hex(), "invalid_request"),
        (lambda: ".".join(base64.urlsafe_b64encode(b"[" * 30_000).decode() for _ in "ab") + ".c", "invalid_request"),
        (lambda: "x" * 70_000, "invalid_request"),
    ],
)  # fmt: skip
def test_what_is_not_a_registrys_is_refused(
    store: Database, post: Callable[..., httpx.Response], load: Load, token: Callable[[], str], err: str
) -> None:
    """Each forgery and each malformed message gets 400 with the code of RFC 8935, and leaves no trace."""
    load(somebody("1"))
    answer = post(token())
    assert answer.status_code == 400
    assert answer.json()["err"] == err
    assert answer.json()["description"]
    assert state(store) == "living"
    with store.reading() as db:
        assert quarantine.count(db) == 0
        assert db.execute(select(func.count()).select_from(tables.registry_message)).scalar_one() == 0


def test_keys_of_other_kinds_sign_too(
    store: Database, post: Callable[..., httpx.Response], load: Load
) -> None:
    """A registry may sign with Ed25519, and name several audiences."""
    load(somebody("1"))
    assert outcome(post(signed(spoilt(aud=["https://else.example", ISSUER]), EDWARDS))) == "applied"


def test_another_content_type_is_refused(post: Callable[..., httpx.Response]) -> None:
    """Only application/secevent+jwt is taken (RFC 8935, section 2.1)."""
    answer = post(signed(spoilt()), **{"content-type": "application/json"})
    assert (answer.status_code, answer.json()["err"]) == (400, "invalid_request")


def test_a_key_file_is_read_again_and_never_holds_secrets(settings: Settings, tmp_path: Path) -> None:
    """A changed key file counts at once; a private key or a shared secret in it is refused."""
    path = tmp_path / "keys.json"
    assert {key.kid for key in trust.keys(path)} == {"civil-1", "civil-ed", "tax-1"}
    path.write_text(json.dumps({"keys": []}))
    assert trust.keys(path) == ()
    for bad in (CIVIL.as_dict(private=True), {"kty": "oct", "k": "abcd", "kid": "x"}):
        path.write_text(json.dumps({"keys": [{**bad, "iss": "civil"}]}))
        with pytest.raises(ValueError, match="public"):
            trust.keys(path)
    assert trust.keys(None) == trust.keys(tmp_path / "missing") == ()


def test_senders_of_rubbish_are_slowed_down(post: Callable[..., httpx.Response]) -> None:
    """After sixty refusals in a minute a network is told to wait."""
    answers = [post("rubbish").status_code for _ in range(api.REFUSALS_A_MINUTE + 2)]
    assert answers == [400] * api.REFUSALS_A_MINUTE + [429] * 2


def test_one_registry_cannot_use_up_another(
    store: Database, send: Send, load: Load, monkeypatch: Any
) -> None:
    """A registry over its own limit is told to wait, and nothing of its message is kept."""
    load(somebody("1"))
    monkeypatch.setattr(api, "MESSAGES_A_MINUTE", 2)
    assert outcome(send("death-reversed", toe=-9)) == "applied"
    assert outcome(send("death-reversed", toe=-8)) == "applied"
    assert send("death", toe=-7).status_code == 429
    assert state(store) == "living"


def test_an_extension_nobody_knows_here_is_refused(settings: Settings) -> None:
    """A token whose header calls an extension critical, such as an unencoded payload (RFC 7797), is refused."""
    header = {"alg": "ES256", "typ": "secevent+jwt", "kid": "civil-1", "b64": True, "crit": ["b64"]}
    token = jws.serialize_compact(header, json.dumps(spoilt()).encode(), CIVIL, algorithms=["ES256"])
    with pytest.raises(MessageRefused):
        trust.verify(settings, token.encode())
