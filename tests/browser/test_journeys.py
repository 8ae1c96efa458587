"""What happens to a citizen's account over the years, in real browsers with passkeys, letters and text messages."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select, update

from consent import importing
from core import clock
from core.database import Database
from core.events import SYSTEM
from core.sessions import browser_session
from idp.login import locks
from idp.tables import account_lock
from service.app import open_house
from tests import citizens
from tests.browser import axe
from tests.browser.authenticators import KEY, PHONE, Reader
from tests.browser.colleague import hire
from tests.browser.conftest import Town, found_town
from tests.browser.mailing import MAIL_TAKES
from tests.browser.somebody import HOME, Device, Somebody, let_time_pass, newcomer
from tests.flows import register
from tests.ports import within
from tests.postbox import Gateway, Postbox, sms_gateway
from tests.service_process import Service

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HIGH = "urn:erti:loa:high"
WHY = "Two people use this account."
NUMBER = "+995555123456"
SCRIPT = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """A gateway for text messages."""
    with sms_gateway() as running:
        yield running


@pytest.fixture(scope="module")
def civil() -> ECKey:
    """The key of the civil register."""
    return ECKey.generate_key("P-256", {"kid": "civil-1", "alg": "ES256", "use": "sig"})


@pytest.fixture(scope="module")
def town(
    tmp_path_factory: pytest.TempPathFactory, postbox: Postbox, gateway: Gateway, civil: ECKey
) -> Iterator[Town]:
    """The service and both portals; it mails, sends texts and hears the register, and the revenue portal asks for the most."""
    folder = tmp_path_factory.mktemp("town")
    keys = folder / "registries.json"
    keys.write_text(json.dumps({"keys": [{**civil.as_dict(private=False), "iss": "civil"}]}))
    ways = {"ERTI_SMTP_URL": postbox.url, "ERTI_SMS_URL": gateway.url, "ERTI_SMS_SECRET": "not-for-logs"}
    with found_town(folder, ERTI_REGISTRY_KEYS=str(keys), **ways) as founded:
        asked = [one for one in founded.service.document["purposes"] if one["id"] == "revenue-sign-in"]
        database = open_house(founded.service.settings)
        with database.writing() as db:
            importing.load(db, {"purposes": [one | {"acr": HIGH} for one in asked]}, actor=SYSTEM)
        database.close()
        yield founded


@pytest.fixture(scope="module")
def house(town: Town) -> Iterator[Database]:
    """The service's own database, to look into and to let time go by in."""
    opened = open_house(town.service.settings)
    yield opened
    opened.close()


@pytest.fixture
def take(browser: Browser, town: Town) -> Iterator[Callable[..., Device]]:
    """Give a way to get a phone's browser with nothing in it, with a passkey device beside it unless it runs no script."""
    opened: list[BrowserContext] = []

    def new(*, script: bool = True, kind: dict[str, Any] = PHONE) -> Device:
        context = browser.new_context(
            viewport={"width": 390, "height": 844}, locale="en-GB", java_script_enabled=script
        )
        opened.append(context)
        page = context.new_page()
        return Device(page, Reader(context, page).plug_in(kind) if script else None, town.erti)

    yield new
    for one in opened:
        one.close()


Take = Callable[..., Device]


def announce(
    town: Town, civil: ECKey, kind: str, payload: dict[str, Any], *, number: str, ago: int = 0
) -> None:
    """Let the civil register tell the service of something, with its signature."""
    told = register.message(civil, kind, payload, number=number, issuer=town.erti, ago=ago)
    kinds = {"content-type": "application/secevent+jwt"}
    answer = httpx.post(f"{town.erti}/registry/events", content=told, headers=kinds, trust_env=False)
    assert answer.headers["erti-outcome"] == "applied", answer.text


def test_an_agency_that_asks_for_more_gets_only_what_is_missing(
    take: Take, town: Town, house: Database
) -> None:
    """Signed in with password and code, the citizen is asked for the passkey alone where an agency wants more, and goes on there."""
    mine, somebody = take(kind=KEY), newcomer(house, "Keti")
    assert mine.reader
    somebody.settle(mine, password=True)
    mine.sign_out()
    mine.reader.present(touched=False)
    page = mine.page
    page.goto(town.health)
    page.click("#sign-in")
    somebody.sign_in(page)
    page.click("#consent-allow")
    expect(page.locator("#signed-in-name")).to_have_text("Keti Mtsvane")
    page.goto(town.revenue)
    page.click("#sign-in")
    expect(page.locator("#stepup-lead")).to_contain_text("Tax account asks for more certainty")
    expect(page.locator("#username, #password, #totp-code"), "known already").to_have_count(0)
    assert axe.overflow(page) == 0
    mine.touch()
    expect(page.locator("#consent-title")).to_be_visible()
    page.click("#consent-allow")
    expect(page.locator("#signed-in-name")).to_have_text("Keti Mtsvane")
    with house.reading() as db:
        whose = select(browser_session).where(browser_session.c.subject == somebody.sample.citizen_id)
        (session,) = db.execute(whose).all()
    assert session.acr == HIGH


def test_a_sensitive_act_asks_for_the_passkey_again_and_goes_on(take: Take, house: Database) -> None:
    """After more than ten minutes what was pressed or typed is not done; the passkey is shown again, and leads back to the act."""
    mine, somebody = take(), newcomer(house, "Lia")
    assert mine.reader
    somebody.settle(mine)
    page = mine.page
    mine.open(f"{HOME}/contact")
    page.fill("#email", "lia@example.org")
    mine.reader.present(touched=False)
    let_time_pass(house, somebody)
    page.click("#email-submit")
    expect(page.locator("#main")).to_contain_text("Nothing was changed yet")
    expect(page.locator("#typed")).to_have_value(re.compile("lia@example.org"))
    page.click("#typed-login")
    expect(page.locator("#main")).to_contain_text("Sign in once more to show that it is still you")
    mine.touch()
    mine.at(f"{HOME}/contact")
    expect(page.locator("#email-submit"), "may be done now").to_be_visible()

    mine.open(f"{HOME}/pause")
    mine.reader.present(touched=False)
    let_time_pass(house, somebody)
    page.click("#pause-submit")
    mine.at(f"/login?return_to={HOME}/pause")
    assert not locked(house, somebody), "not yet"
    mine.touch()
    mine.at(f"{HOME}/pause")
    page.click("#pause-submit")
    expect(page.locator("#left-title")).to_have_text("Your account is paused now")


def decide(town: Town, asker: Page, other: Page, somebody: Somebody, deed: str, why: str) -> None:
    """One of the staff asks, another agrees."""
    asker.goto(f"{town.erti}/admin/accounts")
    asker.fill("#citizen", somebody.sample.citizen_id)
    asker.check(f"input[name=deed][value={deed}]")
    asker.fill("#why", why)
    asker.click("#accounts-submit")
    expect(asker.locator("[id^=agree-]"), "one alone cannot").to_have_count(0)
    other.goto(f"{town.erti}/admin/approvals")
    other.click("[id^=agree-]")
    expect(other.locator("[id^=agree-]")).to_have_count(0)


def test_staff_suspend_an_account_and_take_it_back(
    browser: Browser, take: Take, town: Town, house: Database, postbox: Postbox
) -> None:
    """By two people; the citizen is put out, told by letter, reads the reason at the sign-in, and signs in once two took it back."""
    mine, somebody = take(), newcomer(house, "Manana")
    somebody.settle(mine)
    somebody.reachable(mine)
    desks = browser.new_context(locale="en-GB"), browser.new_context(locale="en-GB")
    asker, other = hire(desks[0], town, "support").page, hire(desks[1], town, "registrar").page
    decide(town, asker, other, somebody, "suspend", WHY)
    page = mine.page
    mine.open(HOME)
    expect(page.locator("#shut-title"), "the passkey is taken up by itself").to_have_text(
        "Your account is suspended"
    )
    expect(page.locator("#shut-facts")).to_contain_text(WHY)
    expect(page.locator("#shut-appeal")).to_contain_text("public service hall")
    expect(page.locator("#nav-logout")).to_have_count(0)
    assert WHY not in somebody.read(postbox, "Your Erti account was suspended"), "mail is read by others too"
    decide(town, asker, other, somebody, "reinstate", "They are twins.")
    mine.back(somebody)
    expect(page.locator("#account-facts")).to_contain_text(somebody.shown)
    somebody.read(postbox, "Your Erti account can be used again")
    mine.open("/my/history")
    expect(page.locator("#main")).to_contain_text(WHY)
    for desk in desks:
        desk.close()


def test_support_looks_up_what_was_refused(browser: Browser, take: Take, town: Town, house: Database) -> None:
    """The number that a citizen reads out tells support what it was about and what to say, and not who it was."""
    mine, somebody = take(script=False), newcomer(house, "Eka")
    somebody.settle(mine)
    mine.open(f"/authorize?client_id=revenue-portal&response_type=code&redirect_uri={town.health}")
    reference = mine.page.locator("#problem-reference").inner_text()
    desk = browser.new_context(locale="en-GB")
    page = hire(desk, town, "support").page
    page.goto(f"{town.erti}/admin/refusals")
    page.fill("#reference", reference.lower())
    page.click("#refusal-submit")
    expect(page.locator("#refusal-title")).to_have_text(reference)
    expect(page.locator("#refusal-facts")).to_contain_text("/authorize")
    expect(page.locator("#refusal-facts")).to_contain_text("revenue-portal")
    expect(page.locator("#refusal-advice p")).not_to_be_empty()
    expect(page.locator("#main")).not_to_contain_text(somebody.shown)
    desk.close()


def test_a_new_name_is_shown_once(take: Take, town: Town, civil: ECKey, postbox: Postbox) -> None:
    """The register's word changes the name; a letter says so without either name, and one's page until it was read."""
    mine, somebody = take(), Somebody(town.service.sample(0), "renamed@example.org")
    somebody.settle(mine)
    somebody.reachable(mine)
    announce(town, civil, "name-change", {"name": {"given_name": "Tamta"}}, number=somebody.sample.uin)
    told = somebody.read(postbox, "A register changed your name")
    assert not {"Tamta", "Nino"} & set(re.findall(r"\w+", told))
    page = mine.page
    mine.open("/my")
    expect(page.locator("#name-changed")).to_contain_text(
        re.compile(r"your name is Tamta Vashlidze now\. Before it was Nino Vashlidze")
    )
    assert axe.overflow(page) == 0
    page.click("#name-read")
    mine.at("/my")
    expect(page.locator("#name-changed")).to_have_count(0)
    expect(page.locator("h1")).to_have_text("Tamta Vashlidze")


def test_a_register_closes_gently(take: Take, town: Town, civil: ECKey, postbox: Postbox) -> None:
    """A guardian for everything, or a death, puts the account at rest with plain words and no blame; a guardian's end opens it."""
    mine, somebody = take(), Somebody(town.service.sample(1), "guarded@example.org")
    somebody.settle(mine)
    somebody.reachable(mine)
    number, page = somebody.sample.uin, mine.page
    acts: dict[str, Any] = {
        "representative": register.uin(town.service.truth.showcase[4]),
        "relation": "guardian",
    }
    announce(town, civil, "representative", {**acts, "scope": "all"}, number=number, ago=200)
    mine.open(HOME)
    rests(page)
    somebody.read(postbox, "Your Erti account rests")
    announce(town, civil, "representative-ended", acts, number=number, ago=100)
    mine.back(somebody)
    expect(page.locator("#account-facts")).to_contain_text(somebody.shown)
    announce(town, civil, "death", {"death_date": "2026-11-20"}, number=number)
    mine.open(HOME)
    rests(page)


def rests(page: Page) -> None:
    """See the page of an account that a register's word shut."""
    expect(page.locator("#shut-title")).to_have_text("This account cannot be used just now")
    expect(page.locator("#main")).to_contain_text("Nothing is lost")
    expect(page.locator("#main")).not_to_contain_text(re.compile("dea(d|th)|guardian|wrong", re.IGNORECASE))
    expect(page.locator("#nav-logout")).to_have_count(0)


@SCRIPT
def test_a_mandate_from_offer_to_end(
    take: Take, town: Town, house: Database, postbox: Postbox, script: bool
) -> None:
    """Given in one browser, accepted and used in another, taken back in the first; each step is told the other by letter, and then it is over."""
    giver, holder = take(script=script), take(script=script)
    gives, holds = newcomer(house, f"Givi{script:d}"), newcomer(house, f"Holda{script:d}")
    for device, somebody in ((giver, gives), (holder, holds)):
        somebody.settle(device)
        somebody.reachable(device)
    giver.open("/my/mandates/new")
    page = giver.page
    page.fill("#holder", holds.sample.citizen_id)
    page.fill("#until", (clock.now() + timedelta(days=30)).date().isoformat())
    page.get_by_label("Everything at Health Insurance Fund").check()
    page.click("#mandate-submit")
    expect(page.locator("#given")).to_contain_text("not accepted yet")
    assert "/not-me/" in gives.read(postbox, "Somebody was offered the right to act for you")
    assert gives.shown not in holds.read(postbox, "You were offered the right to act for somebody")

    holder.open("/my/mandates")
    expect(holder.page.locator("#offers")).to_contain_text(gives.shown)
    holder.page.click("[id^=accept-]")
    expect(holder.page.locator("#held")).to_contain_text("Everything at Health Insurance Fund")
    gives.read(postbox, "Somebody may act for you from now on")
    page.reload()
    expect(page.locator("#given")).to_contain_text(holds.shown)
    expect(page.locator("#given")).not_to_contain_text("not accepted yet")

    at_agency = holder.page
    at_agency.goto(town.health)
    at_agency.click("#sign-in")
    at_agency.get_by_role("button", name=f"For Givi{script:d} Mtsvane").click()
    at_agency.click("#consent-allow")
    expect(at_agency.locator("#citizen-id")).to_have_text(gives.sample.citizen_id)
    expect(at_agency.locator("#acting-id")).to_have_text(holds.sample.citizen_id)
    giver.open("/my/history")
    expect(page.locator("#main")).to_contain_text(f"{holds.shown} signed in at Health Insurance Fund for you")

    giver.open("/my/mandates")
    page.click("[id^=end-]")
    expect(page.locator("#over")).to_contain_text(holds.shown)
    holds.read(postbox, "A right to act for another is over")
    at_agency.goto(town.health)
    at_agency.click("#read-again")
    expect(at_agency.locator("#shared-refused")).to_be_visible()
    holder.open("/my/mandates")
    expect(holder.page.locator("#held")).to_have_count(0)


def test_a_mobile_number_is_checked_and_told(take: Take, house: Database, gateway: Gateway) -> None:
    """The code of a text message makes a number one's own, a wrong one does not; from then on it is told what matters."""
    mine, somebody = take(script=False), newcomer(house, "Dato")
    somebody.settle(mine)
    page = mine.page
    mine.open(f"{HOME}/contact")
    page.fill("#phone", "+995 555 12 34 56")
    page.click("#phone-submit")
    found = re.search(r"\d{4} ?\d{4}", texts(gateway, "Erti code:"))
    assert found
    code = re.sub(r"\D", "", found[0])
    page.fill("#code", f"{(int(code) + 1) % 10**8:08}")
    page.click("#code-submit")
    expect(page.locator("#error-summary")).to_be_visible()
    page.fill("#code", found[0])
    page.click("#code-submit")
    mine.at(f"{HOME}/contact")
    expect(page.locator("#reached")).to_contain_text(NUMBER)
    texts(gateway, "from now on this number is told")
    mine.open(f"{HOME}/password")
    page.fill("#password", "copper lantern orchard tide")
    page.click("#password-submit")
    texts(gateway, "your password was changed")


def texts(gateway: Gateway, words: str) -> str:
    """Wait for a text message with these words, which goes to the number, and return it."""

    def there() -> list[str]:
        return [
            sent["text"] for _headers, sent in gateway.calls if words in sent["text"] and sent["to"] == NUMBER
        ]

    assert within(MAIL_TAKES, lambda: bool(there())), gateway.calls
    return there()[-1]


@SCRIPT
def test_who_guesses_waits_and_the_owner_does_not(take: Take, house: Database, script: bool) -> None:
    """After ten wrong passwords a strange browser is told how long to wait, even with the right one; a passkey, or a browser known before, signs in."""
    mine, somebody = take(script=script), newcomer(house, f"Zaza{script:d}")
    somebody.settle(mine, password=True)
    mine.sign_out()
    page = mine.page if script else take(script=False).page
    if mine.reader:
        page.context.clear_cookies()  # a browser like any other
        mine.reader.present(touched=False)
    stranger = Device(page, mine.reader, mine.erti)
    stranger.open(f"/login?return_to={HOME}")
    for _guess in range(10):
        guess(page, somebody, "a guess that is wrong")
    expect(page.locator("#wait-notice")).to_have_count(0)
    for secret in ("a guess that is wrong", citizens.PASSWORD):
        guess(page, somebody, secret)
        expect(page.locator("#wait-notice")).to_contain_text(re.compile(r"Try again in 1[45] minutes"))
        expect(page.locator("#wait-notice")).to_contain_text("A passkey works all the same")
    axe.look("throttled", page, script=script)
    if script:
        stranger.touch()
        stranger.at(HOME)
        expect(page.locator("#account-facts")).to_contain_text(somebody.shown)
    else:
        mine.back(somebody)
        expect(mine.page.locator("#account-facts")).to_contain_text(somebody.shown)


def guess(page: Page, somebody: Somebody, secret: str) -> None:
    """Try a password."""
    page.fill("#username", somebody.sample.citizen_id)
    page.fill("#password", secret)
    page.click("#login-submit")


def test_a_paused_account_opens_after_its_wait(
    take: Take, town: Town, house: Database, postbox: Postbox
) -> None:
    """A recovery code begins the wait, a letter tells of it, nobody gets in meanwhile; when it is over the passkey signs in as before."""
    mine, somebody = take(), newcomer(house, "Nana")
    somebody.settle(mine)
    somebody.reachable(mine)
    page = mine.page
    mine.open(f"{HOME}/pause")
    page.click("#pause-submit")
    mine.back(somebody)
    page.fill("#recovery-code", somebody.codes[0])
    page.click("#account-open")
    expect(page.locator("#shut-opens")).to_contain_text("It opens again")
    told = somebody.read(postbox, "Your paused Erti account will be opened again")
    assert "keep the account paused" in told
    mine.back(somebody)
    expect(page.locator("#shut-opens"), "not yet").to_be_visible()
    whose = account_lock.c.citizen_id == somebody.sample.citizen_id
    with house.writing() as db:
        db.execute(update(account_lock).where(whose).values(ends_at=clock.now() - timedelta(seconds=1)))
    one_more_worker(town.service, lambda: not locked(house, somebody))
    mine.back(somebody)
    expect(page.locator("#account-facts")).to_contain_text(somebody.shown)


def locked(house: Database, somebody: Somebody) -> bool:
    """Tell whether anything keeps the account shut."""
    with house.reading() as db:
        return bool(locks.of(db, somebody.sample.citizen_id))


def one_more_worker(service: Service, happens: Callable[[], bool]) -> None:
    """Let a worker begin, which does at once what others do once a minute, until something came true."""
    worker = service.start(sys.executable, "-m", "service", "worker")
    assert within(MAIL_TAKES, happens)
    worker.terminate()
    worker.wait(20)
