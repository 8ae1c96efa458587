"""Somebody who lost every way in comes back: by mail and patience, or with a recovery code and a mailbox; the letters are read."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import axe
from tests.browser.conftest import Open
from tests.browser.mailing import check_address, code_in, enter, letter, sign_in
from tests.browser.steps import choose_password
from tests.postbox import Postbox
from tests.service_process import Sample, Service

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def ask_to_come_back(page: Page, erti: Service, postbox: Postbox, name: str, address: str) -> None:
    """Say that every way in is lost, and type the first code: the waiting begins."""
    page.goto(f"{erti.issuer}/login")
    page.goto(f"{erti.issuer}/recover")
    page.fill("#username", name)
    page.click("#reentry-submit")
    first = letter(postbox, address, "Your code for coming back into Erti")
    page.fill("#code", code_in(first))
    page.click("#reentry-code-submit")
    expect(page.locator("#reentry-waiting")).to_contain_text("We told every address and number")


def settle(page: Page, erti: Service, postbox: Postbox, sample: Sample, address: str) -> None:
    """Open an account with a password and an app, and have an address checked."""
    enter(page, erti, sample)
    choose_password(page)
    page.click("#codes-kept")
    check_address(page, erti, postbox, address)


def own_id(page: Page, erti: Service) -> str:
    """Return the citizen ID as one's page shows it."""
    page.goto(f"{erti.issuer}/my")
    return page.locator("#citizen-id").inner_text()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_who_lost_everything_comes_back(erti: Service, postbox: Postbox, device: Open, script: bool) -> None:
    """Asked, told everywhere, waited, told again, and in with new ways in the browser that asked; the old ones are over."""
    sample, address = erti.sample(int(script)), f"lost-{int(script)}@example.org"
    before, after = device(script=False), device(script=script)
    settle(before, erti, postbox, sample, address)
    known = own_id(before, erti)

    ask_to_come_back(after, erti, postbox, sample.citizen_id, address)
    begun = letter(postbox, address, "Somebody wants to come back into your Erti account").get_content()
    assert f"{erti.issuer}/recover/stop?code=" in begun
    assert "We never ask for a password or a code by mail or telephone." in begun
    letter(postbox, address, "Last reminder: somebody wants to come back into your Erti account")
    finish = letter(postbox, address, "Come back into your Erti account")
    assert f"open {erti.issuer}/recover in the browser in which you asked" in " ".join(
        finish.get_content().split()
    )
    after.goto(f"{erti.issuer}/recover")
    after.fill("#code", code_in(finish))
    after.click("#reentry-finish-submit")
    expect(after.locator("#again")).to_contain_text(
        "earlier passkeys, passwords and recovery codes stop working"
    )
    if script:
        after.click("#passkey-create")
    else:
        choose_password(after)
    expect(after.locator("#recovery-codes li")).to_have_count(10)
    after.click("#codes-kept")
    after.goto(f"{erti.issuer}/my/account")
    expect(after.locator("#account-facts"), "the same citizen").to_contain_text(known)
    before.goto(f"{erti.issuer}/my/account")
    expect(before.locator("#login-submit"), "signed out").to_be_visible()
    told = letter(postbox, address, "Your Erti account was opened with new ways to sign in").get_content()
    assert "What you share and your history stay as they were." in " ".join(told.split())


@pytest.mark.parametrize("way", ["banner", "letter"])
def test_the_owner_stops_it_from_another_device(
    erti: Service, postbox: Postbox, device: Open, way: str
) -> None:
    """On any page of a browser that is signed in, or by the link of the letter, without script; the stranger gets no second code."""
    sample, address = erti.sample(2 + (way == "banner")), f"stopped-by-{way}@example.org"
    owner, stranger = device(script=False), device(script=False)
    settle(owner, erti, postbox, sample, address)
    ask_to_come_back(stranger, erti, postbox, sample.citizen_id, address)
    if way == "banner":
        owner.goto(f"{erti.issuer}/my/data")
        expect(owner.locator("#reentry-warning")).to_contain_text("Somebody wants to come back")
        owner.click("#reentry-stop")
        expect(owner.locator("#reentry-warning")).to_have_count(0)
    else:
        begun = letter(postbox, address, "Somebody wants to come back into your Erti account").get_content()
        link = re.search(r"(http://\S+/recover/stop\?code=\S+)", begun)
        assert link, begun
        reader = device(script=False)
        reader.goto(link[1])
        reader.click("#reentry-stop-submit")
        expect(reader.locator("#main")).to_contain_text("stopped")
    stopped = letter(postbox, address, "The way back into your Erti account was stopped")
    stranger.goto(f"{erti.issuer}/recover")
    expect(stranger.locator("#username"), "from the start").to_be_visible()
    subjects = [str(one["Subject"]) for one in postbox.letters if str(one["To"]) == address]
    assert "Come back into your Erti account" not in subjects, stopped


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_paper_and_mailbox_bring_one_back_at_once(
    erti: Service, postbox: Postbox, device: Open, script: bool
) -> None:
    """A recovery code shows no data and sets up a new way in; the code of a letter lets it sign in, and everything is there."""
    sample, address = erti.sample(4 + script), f"paper-{int(script)}@example.org"
    before, after = device(script=True), device(script=script)
    enter(before, erti, sample)
    before.click("#passkey-create")
    expect(before.locator("#recovery-codes li")).to_have_count(10)
    codes = before.locator("#recovery-codes li").all_text_contents()
    before.click("#codes-kept")
    check_address(before, erti, postbox, address)
    known = own_id(before, erti)

    after.goto(f"{erti.issuer}/login")
    after.click("#login-recovery")
    after.fill("#username", sample.citizen_id)
    after.fill("#recovery-code", codes[0])
    after.click("#recovery-submit")
    expect(after.locator("h1")).to_have_text("Set up a new way to sign in")
    after.goto(f"{erti.issuer}/my/data")
    expect(after.locator("h1"), "no data").to_have_text("Set up a new way to sign in")
    if script:
        after.click("#passkey-add")
        after.click("#passkey-create")
        app = None
    else:
        app = choose_password(after, "#password-change")
    expect(after.locator("#held-until")).to_contain_text("Signs in from")
    held = letter(postbox, address, "A recovery code set up a new way into your Erti account").get_content()
    assert f"{erti.issuer}/not-me/" in held
    after.click("#held-confirm")
    axe.look("confirming a new way in", after, script=script)
    after.fill("#code", "0000-0000-0000")
    after.click("#confirm-submit")
    expect(after.locator("#main")).to_contain_text("That code is not right")
    after.fill("#code", code_in(letter(postbox, address, "Your code to confirm your new way into Erti")))
    after.click("#confirm-submit")
    after.click("#repaired-sign-in")
    if app is not None:  # else the browser offers the passkey by itself, and its owner says yes
        sign_in(after, erti, sample.citizen_id, app)
    expect(after.locator("#account-facts"), "the same citizen").to_contain_text(known)
    after.goto(f"{erti.issuer}/my/data")
    expect(after.locator("h1")).to_have_text("My data")
