"""A house with the registers' copy alone: its announcements are listed, its records are made by hand."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from sqlalchemy import select
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from core import clock
from core.database import Database
from core.errors import Problem, TooMany
from core.events import waiting
from core.settings import Settings
from registry_sync import api, attributes, people
from registry_sync.sources import importing
from registry_sync.sources.importing import Counts
from service.demo import country
from service.demo.country import Truth
from tests.conftest import ISSUER
from tests.registry_sync.ground import open_store

Person = dict[str, Any]
Load = Callable[..., Counts]
Send = Callable[..., httpx.Response]
CIVIL = ECKey.generate_key("P-256", {"kid": "civil-1"})
ELSEWHERE = ECKey.generate_key("P-256", {"kid": "civil-1"})
TAX = RSAKey.generate_key(2048, {"kid": "tax-1"})
EDWARDS = OKPKey.generate_key("Ed25519", {"kid": "civil-ed"})
HEADERS = {"content-type": "application/secevent+jwt"}


@pytest.fixture
def store(settings: Settings) -> Iterator[Database]:
    """Give a house that holds the registers' copy and nothing above it."""
    database = open_store(settings)
    yield database
    database.close()


@pytest.fixture(scope="session")
def land(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """Give the files of a country of 1,200 people, and the truth about it."""
    folder = tmp_path_factory.mktemp("country")
    return folder, country.write(folder, people=1_200, seed=11)


@pytest.fixture
def load(store: Database, tmp_path: Path) -> Callable[..., Counts]:
    """Give a function that imports records (or raw bytes) as one file."""

    def load(*lines: Person | bytes, source: str = "civil") -> Counts:
        path = tmp_path / "lines"
        written = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        path.write_bytes(b"\n".join(written) + b"\n")
        return importing.import_file(store, path, source=source)

    return load


def somebody(uin: str, given: str = "Nino", surname: str = "Beridze", **fields: Any) -> Person:
    """Return a person record in the DCI shape; `brn` is the birth number, None leaves a field out."""
    brn = fields.pop("brn", f"B-{uin}")
    identifiers = [{"identifier_type": "UIN", "identifier_value": uin}]
    if brn:
        identifiers.append({"identifier_type": "BRN", "identifier_value": brn})
    record = {
        "identifier": identifiers,
        "name": {"given_name": given, "surname": surname},
        "sex": "female",
        "birth_date": "1988-04-17",
        "birth_place": "Kvisheti",
        "last_updated": "2024-01-01",
        **fields,
    }
    return {key: value for key, value in record.items() if value is not None}


def announced(store: Database, chain: str | None = None) -> list[str]:
    """Return the kinds of events waiting for the ledger, in order, of one chain or of all."""
    query = select(waiting.c.kind).order_by(waiting.c.id)
    with store.reading() as db:
        return list(db.execute(query if chain is None else query.where(waiting.c.chain == chain)).scalars())


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Trust a civil registry's two keys and a tax register's one."""
    whose: list[tuple[Any, str, str | None]] = [(CIVIL, "https://civil.example", "civil"), (EDWARDS, "https://civil.example", "civil"),
             (TAX, "tax", None)]  # fmt: skip
    keys = [
        {**key.as_dict(private=False), "iss": issuer, **({"source": source} if source else {})}
        for key, issuer, source in whose
    ]
    (tmp_path / "keys.json").write_text(json.dumps({"keys": keys}))
    return settings.model_copy(update={"registry_keys": tmp_path / "keys.json"})


@pytest.fixture
def post(store: Database) -> Iterator[Callable[..., Any]]:
    """Give a function that posts a body to /registry/events."""
    app = FastAPI()
    app.state.settings, app.state.database = store.parts.settings, store
    app.include_router(api.router)

    @app.exception_handler(Problem)
    def refuse(_request: Any, error: Problem) -> Any:
        retry = error.retry_after if isinstance(error, TooMany) else 0
        return JSONResponse({"code": error.code, "retry": retry}, status_code=429 if retry else 400)

    with TestClient(app, base_url=ISSUER) as client:
        yield lambda body, **more: client.post("/registry/events", content=body, headers={**HEADERS, **more})


def claims(kind: str, payload: dict[str, Any], *, toe: int = -100, **more: Any) -> dict[str, Any]:
    """Return a token's claims; `toe` is in seconds from now."""
    at = clock.seconds(clock.now())
    return {
        "iss": "https://civil.example",
        "aud": ISSUER,
        "iat": at,
        "jti": base64.b64encode(json.dumps([kind, payload, toe]).encode()).decode()[-200:],
        "toe": at + toe,
        "events": {f"urn:erti:registry:{kind}": payload},
        **more,
    }


def signed(content: dict[str, Any], key: Any = CIVIL, **header: Any) -> str:
    """Return a signed token."""
    kinds = {"EC": "ES256", "RSA": "RS256", "OKP": "Ed25519", "oct": "HS256"}
    head = {"alg": kinds[key.key_type], "typ": "secevent+jwt", "kid": key.kid, **header}
    return jwt.encode({k: v for k, v in head.items() if v}, content, key, algorithms=[head["alg"]])


@pytest.fixture
def send(post: Callable[..., httpx.Response]) -> Send:
    """Give a function that signs and posts a message about the person 1."""

    def send(
        kind: str, *, toe: int = -100, jti: str | None = None, uin: str = "1", **payload: Any
    ) -> httpx.Response:
        whose = {"identifier": [{"identifier_type": "UIN", "identifier_value": uin}]}
        named = {} if jti is None else {"jti": jti}
        return post(signed(claims(kind, {**({} if kind == "birth" else whose), **payload}, toe=toe, **named)))

    return send


def outcome(answer: httpx.Response) -> str:
    """Return what the answer says became of the message."""
    assert answer.status_code == 202, answer.text
    assert answer.content == b""
    return answer.headers["Erti-Outcome"]


def citizen(store: Database, uin: str = "1") -> str:
    """Return the citizen ID of a person."""
    with store.reading() as db:
        found = people.by_identifier(db, "UIN", uin)
    assert found
    return found


def state(store: Database, uin: str = "1") -> str:
    """Return whether a person lives."""
    with store.reading() as db:
        found = people.find(db, citizen(store, uin))
    assert found
    return found.state


def values(store: Database, *names: str, uin: str = "1") -> dict[str, Any]:
    """Return attributes of a person."""
    with store.reading() as db:
        return {name: one.value for name, one in attributes.read(db, citizen(store, uin), names).items()}


def spoilt(**changes: Any) -> dict[str, Any]:
    """Return a death's claims with some changed; None takes one away."""
    content = claims("death", {"identifier": [{"identifier_type": "UIN", "identifier_value": "1"}]})
    return {key: value for key, value in {**content, **changes}.items() if value is not None}
