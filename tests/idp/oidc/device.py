"""A device that signs somebody in by a code, and the citizen who lets it."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from core import clock
from idp.oidc import metadata, tables
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import Provider

TV, BOX = "tv", "box"
DEVICES: list[dict[str, Any]] = [
    {
        "client_id": TV,
        "agency": "revenue",
        "client_name": "Tax on your screen",
        "token_endpoint_auth_method": "none",
        "grant_types": [metadata.DEVICE_GRANT, "refresh_token"],
        "sign_in_purpose": "revenue-sign-in",
        "resources": [to.API, "https://other.portal.example/"],
    },
    {
        "client_id": BOX,
        "agency": "revenue",
        "client_secret": to.SECRET,
        "grant_types": [metadata.DEVICE_GRANT],
        "sign_in_purpose": "revenue-sign-in",
    },
]


def ask(provider: Provider, client: str = TV, **form: Any) -> Any:
    """Let a device ask for its codes."""
    form.setdefault("scope", "openid")
    return provider.post("/device_authorization", client, to.SECRET if client == BOX else None, **form)


def poll(provider: Provider, codes: dict[str, Any], client: str = TV, **form: Any) -> Any:
    """Let a device ask whether somebody has decided."""
    form = {"grant_type": metadata.DEVICE_GRANT, "device_code": codes["device_code"], **form}
    return provider.token(client, to.SECRET if client == BOX else None, **form)


def enter(provider: Provider, user_code: str) -> Any:
    """Type a code at the page for it."""
    return provider.send(provider.web.get("/device"), user_code=user_code)


def confirm(provider: Provider, user_code: str, *, decision: str = "mine") -> Any:
    """Type a code, and say whether the device is one's own; returns the answer to that."""
    at = enter(provider, user_code).headers["location"]
    page = provider.web.get(provider.web.get(at).headers["location"])
    return provider.send(page, decision=decision)


def allow(provider: Provider, user_code: str) -> Any:
    """Do all that a signed-in citizen has to do where nothing is to be shared; returns the last page."""
    done = provider.web.get(confirm(provider, user_code).headers["location"])
    assert done.headers["location"] == "/device/connected", done.headers
    return provider.web.get(done.headers["location"])


def errors(*answers: Any) -> list[str]:
    """Return the errors of some answers."""
    return [one.json()["error"] for one in answers]


def later(provider: Provider, seconds: int = 10) -> None:
    """Let the device wait: its last question was so many seconds ago."""
    with provider.database.writing() as db:
        db.execute(update(tables.device).values(polled_at=clock.now() - timedelta(seconds=seconds)))
