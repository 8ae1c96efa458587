import pytest

from core.events import SYSTEM
from core.forms import Posted
from idp.login import onward
from idp.oidc import clients, interactions
from tests.authenticator import Authenticator
from tests.consent import country
from tests.idp.login.person import ISSUER

HOME = "https://portal.example/back"
CLIENT = {
    "client_id": "portal",
    "agency": "revenue",
    "client_name": "Revenue portal",
    "redirect_uris": [HOME],
    "sign_in_purpose": "revenue-sign-in",
}


@pytest.fixture
def begun(database):
    """Give a way to begin a client's request that wants to go back to an address; returns the path of the flow."""
    with database.writing() as db:
        country.found(db)
        clients.load(db, {"clients": [CLIENT]}, actor=SYSTEM)

    def begin(redirect_uri: str) -> str:
        with database.writing() as db:
            asked = Posted([("client_id", "portal"), ("redirect_uri", redirect_uri), ("login_hint", "nino")])
            return interactions.PATH + interactions.begin(db, "portal", asked)

    return begin


def test_the_sign_in_page_may_lead_to_the_client(begun, person) -> None:
    """The page names the client, allows its origin to its forms, and fills in the name that the client knows."""
    visitor = person()
    answer = visitor.open(f"/login?return_to={begun(HOME)}")
    assert "form-action 'self' https://portal.example;" in answer.headers["content-security-policy"]
    assert "Revenue portal" in answer.text
    assert 'value="nino"' in answer.text


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/back", "https://portal.example.evil.example/back", ""]
)
def test_an_address_that_is_not_the_clients_is_not_allowed(begun, database, elsewhere) -> None:
    """Only a registered redirect URI opens the page's policy."""
    path = begun(elsewhere)
    with database.reading() as db:
        assert onward.read(db, path).origins == ()


def test_the_way_back_to_the_client_is_no_other_form(begun, person, letter) -> None:
    """Who lacks assurance may leave to the client; a crafted path to go back to makes no button for another form of ours."""
    synced = person()
    synced.device = Authenticator(ISSUER, device_bound=False, counts=False)
    synced.activate_with_passkey(*letter())
    asked = begun(HOME)
    wants = "acr=urn:erti:loa:high"
    page = synced.open(f"/login?return_to={asked}&{wants}").text
    assert f'action="{asked}/leave"' in page
    for crafted in (
        "/authorize/../my/account/pause%23",
        f"{asked}/account%23",
        f"{asked}%23",
        "/authorize/x",
    ):
        page = synced.open(f"/login?return_to={crafted}&{wants}").text
        assert 'id="stepup-stuck"' in page
        assert 'id="stepup-leave"' not in page, crafted


@pytest.mark.parametrize("path", ["/my", "/authorize/", "/authorize/unknown", "/authorizeevil", ""])
def test_other_paths_lead_nowhere_in_particular(database, path) -> None:
    """A path that is no request under way allows nothing and names nobody."""
    with database.reading() as db:
        assert onward.read(db, path) == onward.Onward()
