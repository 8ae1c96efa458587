"""Attempts with names, IDs and codes that look like the right ones, or like nothing that anybody would type."""

from typing import Any

import pytest

from core.database import Database
from registry_sync import people
from tests.idp.login.cardholder import PIN, hand_over
from tests.idp.login.person import PASSWORD, Person

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
LOOKALIKE = str.maketrans("ABCEHKMPTX", "АВСЕНКМРТХ")  # Cyrillic capitals
ODD = (
    "\x00", "a\x00b", "\u202e", "\ufeff\u200b", "\U0010ffff", "ﷺ" * 500, "İ" * 300, "x" * 60_000, "9" * 30_000,
    "'; DROP TABLE account; --", "%00\r\nSet-Cookie: a=b", "{{7*7}}", "-1e309", "１２３４５６", "²³¹²³¹",
)  # fmt: skip
FIELDS: dict[str, dict[str, str]] = {
    "/login": {"username": "nino", "password": "wrong words here"},
    "/login/code": {"totp-code": "000000", "recovery-code": ""},
    "/login/recovery": {"username": "nino", "recovery-code": "0000-0000-0000-0000"},
    "/login/card": {"card-number": "0000000000", "pin": "1", "card-code": "1"},
    "/login/card/block": {"card-number": "0000000000", "blocking-code": "1"},
    "/activate": {"citizen-id": "0", "activation-code": "0", "return_to": "/my"},
    "/recover": {"username": "nino"},
    "/recover/code": {"code": "0"},
    "/recover/finish": {"code": "0"},
    "/recover/stop": {"code": "0"},
    "/undo": {"code": "0"},
    "/device": {"user_code": "0"},
}


def test_attempt_with_anything_in_any_field_before_the_way_in(nino: Person, person: Any) -> None:
    """What no text holds, huge texts and look-alikes are answered in words in every field, let nobody in, and break nothing."""
    stranger = person("203.0.113.9")
    for number, odd in enumerate(ODD):
        stranger = person(f"203.0.113.{number}")  # so that nothing is stopped by counting
        stranger.give_password("nino")
        page = stranger.open("/login").text
        for path, fields in FIELDS.items():
            for name in fields:
                stranger.page = page
                answer = stranger.send(path, **{**fields, name: odd})
                assert answer.status_code in (200, 303, 400, 429), (path, name, odd[:20])
                assert "a=b" not in str(answer.headers.get_list("set-cookie"))
        assert stranger.open("/my/account").status_code == 303


def test_attempt_with_letters_that_look_like_those_of_a_code(
    nino: Person, person: Any, letter: Any, database: Database
) -> None:
    """Letters of another alphabet are no letters of an ID or a code; a PIN's digits may be of any script, an app's code's not."""
    citizen_id, code = letter()
    for typed_id, typed_code in (
        (citizen_id.translate(LOOKALIKE), code),
        (citizen_id, code.translate(LOOKALIKE)),
    ):
        if (typed_id, typed_code) != (citizen_id, code):
            assert person("192.0.2.1").begin_activation(typed_id, typed_code).status_code == 400
    assert people.compact(citizen_id.translate(LOOKALIKE)) in (None, citizen_id)
    nino.give_password("nino")
    nino.open("/login/code")
    assert nino.send("/login/code", totp__code=nino.code().translate(ARABIC)).status_code == 400
    assert (
        nino.send("/login/code", recovery__code=nino.codes[0].translate(LOOKALIKE)[:-1] + "А").status_code
        == 400
    )
    assert nino.send("/login/code", totp__code=nino.code()).status_code == 303
    sheet = hand_over(database, nino.citizen_id)
    lost = person("192.0.2.2")
    lost.open("/login")
    answer = lost.send(
        "/login/card", card__number=sheet.number, pin=PIN.translate(ARABIC), card__code=sheet.codes[0]
    )
    assert answer.status_code == 303, "whose keyboard is Arabic types the same digits"


def test_attempt_with_a_password_beside_the_right_one(nino: Person) -> None:
    """Cut off, doubled, with a NUL, with blanks around it or sent twice: the right password is only the whole one."""
    for secret in (
        PASSWORD[:-1],
        PASSWORD * 2,
        f"{PASSWORD}\n",
        f"\t{PASSWORD}",
        PASSWORD + "\u200b",
        PASSWORD[:72] + "x",
    ):
        assert nino.give_password("nino", secret).status_code == 400, secret
    assert nino.give_password("nino", f"{PASSWORD}\x00").status_code == 400
    assert nino.give_password("nino").headers["location"] == "/login/code"
