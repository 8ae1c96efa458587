"""docs/specifications.md names only tests that exist, and what it calls refused is refused."""

import re

import pytest

from tests import named
from tests.certification.relying import Relying

PAGE = named.TESTS.parent / "docs" / "specifications.md"
ROW = re.compile(r"^\| (?!---|section|specification)(.+) \|$", re.MULTILINE)
GRANTS = ("password", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer",
          "urn:openid:params:grant-type:ciba")  # fmt: skip
NOWHERE = ("webfinger", "openid-federation", "openid-credential-issuer")


def test_every_test_that_the_page_names_exists() -> None:
    """Each `file::function` of the page is the function of exactly one file of the tests."""
    assert not named.missing(named.NAME.findall(PAGE.read_text("utf-8")))


def test_every_row_of_the_page_names_a_test() -> None:
    """Each row, of what is supported and of what is not, ends with the test that shows it."""
    rows = ROW.findall(PAGE.read_text("utf-8"))
    assert len(rows) > 40
    assert not [row for row in rows if not named.NAME.search(row.rsplit("|", 1)[1])]


@pytest.mark.parametrize("variant", ["basic"], scope="module")
def test_what_is_not_supported_is_refused(relying: Relying) -> None:
    """Grants nobody offers are unsupported_grant_type, unadvertised; addresses of other specifications are 404."""
    metadata = relying.metadata
    for grant in GRANTS:
        answer = relying.token(grant_type=grant, username="a", password="b", assertion="c", auth_req_id="d")
        assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type"), grant
        assert grant not in metadata["grant_types_supported"]
    for name in NOWHERE:
        assert relying.web.get(f"/.well-known/{name}").status_code == 404
    assert not {"check_session_iframe", "signed_metadata", "backchannel_authentication_endpoint"} & set(
        metadata
    )
    token = relying.tokens()["access_token"]
    assert relying.web.get("/userinfo", params={"access_token": token}).status_code == 401
