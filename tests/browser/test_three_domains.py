"""The main job over TLS, with the service and each portal under a registrable domain of its own.

On localhost everything is one site, which hides what cookies, forms and redirects do between sites.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests import service_process
from tests.browser.authority import Authority
from tests.browser.conftest import Town
from tests.browser.journey import LUKA, NINO, Journey, travel
from tests.ports import free_port, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ERTI, REVENUE, HEALTH = "id.erti.example", "my.revenue.example", "www.health.example"
WITH_HOSTS = str(Path(__file__).parent / "portal_with_hosts.py")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the three certificates."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls_town(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Town]:
    """The service and both portals over TLS, each with its own domain and certificate."""
    port = free_port()
    homes = {
        "revenue-portal": f"https://{REVENUE}:{free_port()}",
        "health-portal": f"https://{HEALTH}:{free_port()}",
    }
    service = service_process.prepare(
        tmp_path_factory.mktemp("town"), issuer=f"https://{ERTI}:{port}", homes=homes
    )
    own = authority.certify(ERTI, "localhost")
    tls = ("--tls-cert", str(own.chain), "--tls-key", str(own.key))
    with service_process.running(service, port=port, verify=authority.context, tls=tls):
        for client_id, file, host in (
            ("revenue-portal", "revenue.toml", REVENUE),
            ("health-portal", "health.toml", HEALTH),
        ):
            certificate = authority.certify(host, "localhost")
            service.start_portal(
                client_id,
                file,
                homes[client_id],
                front=(sys.executable, WITH_HOSTS, str(service_process.PORTALS / "portal.py")),
                PORTAL_CA_FILE=str(authority.file),
                PORTAL_TLS_CERT=str(certificate.chain),
                PORTAL_TLS_KEY=str(certificate.key),
            )
            wait_for(homes[client_id].replace(host, "localhost"), verify=authority.context)
        yield Town(service, homes["revenue-portal"], homes["health-portal"])


@pytest.fixture(scope="module")
def tls_browser(launch: Callable[..., Browser], authority: Authority, tls_town: Town) -> Iterator[Browser]:
    """Chromium that finds the three hosts on this machine and trusts the authority, and only it, for them."""
    started = launch(
        "--host-resolver-rules=MAP *.example 127.0.0.1",
        f"--ignore-certificate-errors-spki-list={authority.spki}",
    )
    yield started
    started.close()


def phone(browser: Browser, *, script: bool) -> BrowserContext:
    """A phone's browser with nothing in it."""
    return browser.new_context(
        viewport={"width": 390, "height": 844}, locale="en-GB", java_script_enabled=script
    )


def test_with_a_passkey_over_three_domains(tls_browser: Browser, tls_town: Town) -> None:
    """The whole journey with a passkey, between three sites over TLS."""
    context = phone(tls_browser, script=True)
    journey = Journey(context, erti=tls_town.erti, revenue=tls_town.revenue, health=tls_town.health)
    sample = tls_town.service.sample(NINO.number)
    with journey.passkey():
        journey.begin_at(journey.revenue)
        journey.enter_letter(sample)
        journey.make_passkey()
        travel(journey, NINO, tls_town.service.income_bracket(sample))
    context.close()


def test_without_javascript_over_three_domains(tls_browser: Browser, tls_town: Town) -> None:
    """The whole journey with no script, between three sites over TLS; cookies are Secure, HttpOnly and bound to a host."""
    context = phone(tls_browser, script=False)
    journey = Journey(context, erti=tls_town.erti, revenue=tls_town.revenue, health=tls_town.health)
    sample = tls_town.service.sample(LUKA.number)
    journey.begin_at(journey.revenue)
    journey.enter_letter(sample)
    journey.choose_password(sample)
    travel(journey, LUKA, tls_town.service.income_bracket(sample))
    cookies = [cookie for cookie in context.cookies() if cookie["domain"] == ERTI]
    assert cookies
    for cookie in cookies:
        assert cookie["secure"], cookie["name"]
        assert cookie["name"].startswith("__Host-"), cookie["name"]
        assert cookie["sameSite"] in ("Lax", "Strict"), cookie["name"]
        assert cookie["httpOnly"], cookie["name"]
    context.close()


def test_a_stranger_to_the_authority_is_warned(launch: Callable[..., Browser], tls_town: Town) -> None:
    """Chromium without our authority refuses the certificate, so the other tests did check it."""
    browser = launch("--host-resolver-rules=MAP *.example 127.0.0.1")
    page = browser.new_page()
    with pytest.raises(Exception, match="ERR_CERT_AUTHORITY_INVALID"):
        page.goto(tls_town.erti)
    expect(page.locator("#sign-in")).to_have_count(0)
    browser.close()
