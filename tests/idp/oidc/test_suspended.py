"""What an agency that was suspended still reaches with a token it holds: nothing."""

import pytest

from consent import agencies
from core.events import SYSTEM
from tests.consent import country
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import Provider

ASKED = [
    ("GET", "/disputes", "disputes"),
    ("GET", "/receipts/00000000-0000-4000-8000-000000000000", "attributes"),
    ("GET", "/grants/unknown", "grant_management_query"),
    ("GET", "/grants/unknown/record", "attributes"),
    ("GET", "/grants/unknown/receipts", "attributes"),
    ("GET", "/ssf/stream", "ssf.read"),
]


@pytest.mark.parametrize(("method", "path", "scope"), ASKED)
def test_a_token_is_no_good_once_its_agency_is_suspended(
    provider: Provider, method: str, path: str, scope: str
) -> None:
    """Citizens' texts, receipts, records and streams are closed from the moment on, whatever tokens are held."""
    given = provider.token(to.PORTAL, grant_type="client_credentials", scope=scope).json()
    headers = {"Authorization": f"Bearer {given['access_token']}"}
    before = provider.web.request(method, path, headers=headers)
    assert before.status_code in (200, 404), before.text
    with provider.database.writing() as db:
        agencies.put(db, country.agency("revenue", state="suspended"), actor=SYSTEM)
    after = provider.web.request(method, path, headers=headers)
    assert after.status_code == 401
    assert after.json()["error"] == "invalid_token"
