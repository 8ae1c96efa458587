"""PINs: digits that go with a printed card, never a way in by themselves; rules and hashing."""

import hmac
import unicodedata
from collections.abc import Iterator
from datetime import date
from itertools import pairwise

from core.database import Parts
from core.language import _
from idp.errors import PinUnfit
from idp.login import hashing

SHORTEST, LONGEST = 8, 12
LONGEST_TYPED = 64
LONGEST_REPEATED = 4  # 1212…, 123123…, 12341234
FEWEST_DIFFERENT = 3
_YEARS = (1900, 2100)


def read(typed: str) -> str:
    """Return the digits of a PIN as typed, with or without blanks, of any script; everything else is left out."""
    return "".join(str(unicodedata.decimal(char)) for char in typed[:LONGEST_TYPED] if char.isdecimal())


def fit(typed: str, *, unlike: tuple[str, ...] = ()) -> str:
    """Return the digits of a chosen PIN; raises PinUnfit with what to do.

    Eight digits are the fewest that NIST SP 800-63B-4, 3.1.1.2, allows beside a second factor. Refused is what
    people choose first: a day of a calendar, whoever's, a row of digits, one that repeats itself; `unlike` holds numbers of
    which it must not be a part.
    """
    digits = read(typed)
    if not SHORTEST <= len(digits) <= LONGEST:
        raise PinUnfit(
            _(
                "Use {least} to {most} digits, for example two numbers of four digits that only you connect."
            ).format(least=SHORTEST, most=LONGEST)
        )
    if _is_pattern(digits):
        raise PinUnfit(_("This PIN is a row or repeats itself. Choose one that nobody would try first."))
    if _is_day(digits):
        raise PinUnfit(
            _("This PIN reads as a date. Birthdays are the first that others try; choose another.")
        )
    if any(digits in read(number) for number in unlike):
        raise PinUnfit(_("This PIN stands on your papers. Choose another."))
    return digits


def prepare(house: Parts, typed: str) -> str:
    """Hash a chosen PIN; slow on purpose, so call it outside transactions. Raises TooMany when busy."""
    return hashing.pool(house.settings).hash(keyed(house, typed))


def keyed(house: Parts, typed: str) -> bytes:
    """Return what is hashed for a PIN: keyed first, so that a stolen table alone cannot be guessed at."""
    return hmac.digest(house.keys.secret("idp/pin/1"), read(typed).encode(), "sha256")


def _is_pattern(digits: str) -> bool:
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(digits)}
    repeats = any(
        digits == (digits[:length] * len(digits))[: len(digits)] for length in range(1, LONGEST_REPEATED + 1)
    )
    return len(steps) == 1 or repeats or len(set(digits)) < FEWEST_DIFFERENT


def _is_day(digits: str) -> bool:
    """Tell whether eight digits are a day of our time, in whichever order."""
    return len(digits) == len("ddmmyyyy") and any(_exists(*parts) for parts in _orders(digits))


def _orders(digits: str) -> Iterator[tuple[int, int, int]]:
    one, two, three, four = (int(digits[at : at + 2]) for at in range(0, 8, 2))
    late, early = three * 100 + four, one * 100 + two
    yield from ((late, two, one), (late, one, two), (early, three, four), (early, four, three))


def _exists(year: int, month: int, day: int) -> bool:
    if not _YEARS[0] <= year < _YEARS[1]:
        return False
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
