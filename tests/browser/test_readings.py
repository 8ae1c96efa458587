"""Readings without the citizen: by a standing permission, and by a law; and the history that shows and proves them."""

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Town
from tests.browser.journey import Journey
from tests.ports import within
from tests.service_process import REPOSITORY

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CASE = "RS-2026-0147"
MAIVREN, TAMAR, NINO, GIORGI = 2, 4, 0, 1


@pytest.fixture
def journey(phone: BrowserContext, town: Town) -> Journey:
    """A citizen with a phone."""
    return Journey(phone, erti=town.erti, revenue=town.revenue, health=town.health)


def read_by_law(page: Page, town: Town, number: str) -> None:
    """As an officer: read somebody for a case."""
    page.goto(f"{town.revenue}/office")
    page.fill("#number", number)
    page.fill("#case", CASE)
    page.fill("#officer", "1147")
    page.click("#read-by-law")
    expect(page.locator("#law-outcome")).to_be_visible()


def download(page: Page, link: str, folder: Path) -> Path:
    """Download what a link with this id leads to."""
    with page.expect_download() as begun:
        page.click(link)
    file = folder / begun.value.suggested_filename
    begun.value.save_as(file)
    return file


def test_a_standing_permission_is_read_only_while_it_stands(journey: Journey, town: Town) -> None:
    """Refused before it is allowed, read while it is, refused at once when it is taken back."""
    page = journey.page
    with journey.passkey():
        journey.begin_at(journey.revenue)
        journey.enter_letter(town.service.sample(TAMAR))
        journey.make_passkey()
        journey.allow()
        page.click("#read-standing")
        expect(page.locator("#read-refused")).to_be_visible()

        page.click("#allow-standing")
        journey.allow(shown=("Family tax relief",))
        page.click("#read-standing")
        expect(page.locator("#read-values")).to_contain_text("People in your household")
        expect(page.locator("#read-values")).to_contain_text("Civil registry")

        journey.stop_sharing("Family tax relief")
        page.goto(journey.revenue)
        page.click("#read-standing")
        expect(page.locator("#read-refused")).to_be_visible()
        expect(page.locator("#read-values")).to_have_count(0)


def test_who_was_read_by_law_before_finds_it_at_the_first_sign_in(journey: Journey, town: Town) -> None:
    """An officer reads somebody who never signed in; their history shows the case, the law and what was read."""
    page = journey.page
    sample = town.service.sample(MAIVREN)
    read_by_law(page, town, sample.uin)
    expect(page.locator("#law-values")).to_contain_text(town.service.income_bracket(sample))

    with journey.passkey():
        page.goto(f"{town.erti}/activate")
        page.fill("#citizen-id", sample.citizen_id)
        page.fill("#activation-code", sample.code)
        page.click("#activation-submit")
        journey.make_passkey()
        journey.look_at_history("because a law allows it")
        entry = page.locator("#entries li", has_text="income bracket").first
        entry.locator("summary").click()
        expect(entry).to_contain_text(CASE)
        expect(entry).to_contain_text("Tax Code of Ertia")


def test_a_stranger_and_a_wrong_number_look_alike(journey: Journey, town: Town) -> None:
    """For a number that nobody has, the officer learns nothing but that there is nothing to be had."""
    page = journey.page
    read_by_law(page, town, "10000000000")
    expect(page.locator("#law-refused")).to_be_visible()
    expect(page.locator("#law-values")).to_have_count(0)


def test_the_downloaded_history_is_proved_by_the_downloaded_program(
    journey: Journey, town: Town, tmp_path: Path
) -> None:
    """History, program and policy come from the page; the program, on its own, accepts the one and refuses a change."""
    page = journey.page
    with journey.passkey():
        journey.begin_at(journey.health)
        journey.enter_letter(town.service.sample(NINO))
        journey.make_passkey()
        journey.allow()
        page.goto(f"{town.erti}/my/history")
        fingerprint = page.locator("#fingerprint").text_content() or ""
        bundle = download(page, "#bundle", tmp_path)
        page.click("#how-to-check summary")
        program = download(page, "#verifier", tmp_path)
        policy = download(page, "#policy", tmp_path)

        def verdict() -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-I", program.name, bundle.name, "--policy", policy.name]
            return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

        def accepted() -> bool:
            page.goto(f"{town.erti}/my/history")
            download(page, "#bundle", tmp_path)
            return verdict().returncode == 0

        # The newest entries are in the next checkpoint, which follows within a second or so.
        assert within(30, accepted), verdict().stdout + verdict().stderr
    said = verdict().stdout
    assert fingerprint in said
    assert "VALID-COMPLETE" in said
    altered = bundle.read_bytes().replace(b"health-portal", b"wealth-portal", 1)
    assert altered != bundle.read_bytes()
    bundle.write_bytes(altered)
    assert verdict().returncode == 1
    assert not (tmp_path / "core").exists()
    assert REPOSITORY not in tmp_path.parents


def test_the_browser_checks_the_history_itself(journey: Journey, town: Town, tmp_path: Path) -> None:
    """The page finds an honest history complete; one altered on the way, or a kept file that was, it does not."""
    page = journey.page
    with journey.passkey():
        journey.begin_at(journey.health)
        journey.enter_letter(town.service.sample(GIORGI))
        journey.make_passkey()
        journey.allow()
        page.goto(f"{town.erti}/my/history")
        page.click("#check-history")
        page.click("#check-now")
        expect(page.locator("#verdict")).to_have_attribute("data-verdict", "VALID-COMPLETE")
        expect(page.locator("#verdict-facts")).to_contain_text("entries, as of")
        page.screenshot(path=tmp_path / "complete.png", full_page=True)
        bundle = page.request.get(f"{town.erti}/my/history/bundle").text()
        altered = bundle.replace("health-portal", "wealth-portal", 1)
        assert altered != bundle

        page.route(
            "**/my/history/bundle", lambda route: route.fulfill(body=altered, content_type="application/json")
        )
        page.click("#check-now")
        expect(page.locator("#verdict")).to_have_attribute("data-verdict", "ALTERED")
        page.unroute("**/my/history/bundle")
        kept, other = tmp_path / "erti-history.json", tmp_path / "policy.txt"
        kept.write_text(bundle, encoding="utf-8")
        page.click("#check-files summary")
        page.set_input_files("#bundle-file", kept)
        page.click("#check-now")
        expect(page.locator("#verdict")).to_have_attribute("data-verdict", "VALID-COMPLETE")
        other.write_bytes(b"not a policy")
        page.set_input_files("#policy-file", other)
        page.click("#check-now")
        expect(page.locator("#verdict")).to_have_attribute("data-verdict", "UNUSABLE")
