"""Somebody prints a card of their own, signs in with it elsewhere, changes its PIN and removes it; the letters are read."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import axe
from tests.browser.conftest import Open
from tests.browser.mailing import check_address, enter, letter, sign_in
from tests.browser.steps import choose_password
from tests.postbox import Postbox
from tests.service_process import Service

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PIN, NEXT_PIN = "4071 9326", "8264 1907"


def use_card(page: Page, erti: Service, number: str, codes: list[str], pin: str) -> None:
    """Give the card's number, then the PIN and the code that is asked for."""
    page.goto(f"{erti.issuer}/login/card?return_to=/my/account")
    page.fill("#card-number", number)
    page.click("#card-submit")
    found = re.search(r"\d+", page.locator("label[for=card-code]").inner_text())
    assert found
    page.fill("#pin", pin)
    page.fill("#card-code", codes[int(found[0]) - 1])
    page.click("#proof-submit")


def choose_pin(page: Page, pin: str) -> None:
    """Type a PIN twice."""
    page.fill("#new-pin", pin)
    page.fill("#new-pin-again", pin)
    page.click("#card-new-submit")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_card_of_ones_own(erti: Service, postbox: Postbox, device: Open, script: bool) -> None:
    """Printed from the account, it signs in on another device; the PIN is changed, the old one is refused; removed, it is over."""
    sample, address = erti.sample(int(script)), f"card-{int(script)}@example.org"
    home, away = device(script=script), device(script=False)
    enter(home, erti, sample)
    app = choose_password(home)
    home.click("#codes-kept")
    check_address(home, erti, postbox, address)

    home.goto(f"{erti.issuer}/my/account")
    home.click("#card-new")
    choose_pin(home, "1234 5678")
    expect(home.locator("#main"), "a row of digits").to_contain_text("PIN")
    expect(home.locator("#new-pin")).to_be_visible()
    choose_pin(home, PIN)
    number = home.locator("#card-number").inner_text()
    codes = home.locator("[data-code]").all_text_contents()
    assert len(set(codes)) == 40
    home.click("#card-kept")
    expect(home.locator("#card-facts")).to_contain_text("40 of its codes are left")
    assert "A card for signing in to your Erti account was printed." in read(postbox, address, "printed")

    use_card(away, erti, number, codes, PIN)
    expect(away.locator("#card-facts")).to_contain_text("39 of its codes are left")
    away.click("#card-pin")
    axe.look("another PIN", away, script=False)
    choose_pin(away, NEXT_PIN)
    expect(away.locator("#card-facts")).to_be_visible()
    changed = read(postbox, address, "The PIN of your Erti card was changed.")
    assert f"{erti.issuer}/not-me/" in changed, "whoever did not do it can say so"
    home.goto(f"{erti.issuer}/my/account")
    expect(home.locator("#login-submit"), "a new PIN signs out everywhere else").to_be_visible()
    use_card(home, erti, number, codes, PIN)
    expect(home.locator("#proof-submit"), "the old PIN").to_be_visible()
    use_card(home, erti, number, codes, NEXT_PIN)
    home.goto(f"{erti.issuer}/login/card/left?return_to=/my/account")
    axe.look("few codes are left", home, script=script)
    home.goto(f"{erti.issuer}/my/account")
    home.click("#card-remove")
    expect(home.locator("#card")).to_contain_text("A spare way in without a phone")
    read(postbox, address, "Your Erti card was removed.")
    away.goto(f"{erti.issuer}/logout")
    use_card(away, erti, number, codes, NEXT_PIN)
    expect(away.locator("#proof-submit")).to_be_visible()
    sign_in(away, erti, sample.citizen_id, app)
    expect(away.locator("#account-facts")).to_be_visible()


def read(postbox: Postbox, address: str, words: str) -> str:
    """Wait for a letter that says these words, and return its text."""
    return " ".join(letter(postbox, address, words=words).get_content().split())
