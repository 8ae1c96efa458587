"""Sign-in names that people choose: one spelling for each, and no two that look alike."""

import re
import unicodedata

from idp.errors import NameUnfit

LONGEST_TYPED = 320
_MAIL = re.compile(r"[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)+")
_ONE_SCRIPT = {"CJK": "EAST", "HIRAGANA": "EAST", "KATAKANA": "EAST", "HANGUL": "EAST"}
# Small letters of other alphabets that print like a Latin one (Unicode TR 39, the common ones).
_LOOKS_LIKE = str.maketrans(
    "аеорсхуіјѕһԁԛԝкмтвнгαεορυνικτχωβүզօոսց",
    "aeopcxyijshdqwkmtbhraeopuviktxwbyqonug",
)


def normal(typed: str) -> str:
    """Return the one spelling under which a name is looked up: NFKC, case folded, NFKC again, without blanks around."""
    folded = unicodedata.normalize("NFKC", typed[:LONGEST_TYPED]).strip().casefold()
    return unicodedata.normalize("NFKC", folded)


def shape(name: str) -> str:
    """Return what a normal name looks like: without accents, with Latin letters for those that print alike."""
    bare = (char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    return "".join(bare).translate(_LOOKS_LIKE)


def fit(typed: str) -> str:
    """Return the normal form of a name somebody wants to have; raises NameUnfit with what a name may be."""
    name = normal(typed)
    if "@" in name:
        if len(name) > 254 or not _MAIL.fullmatch(name) or not name.isprintable():
            raise NameUnfit(detail="not an e-mail address")
        return name
    plain = name.replace(".", "").replace("-", "").replace("_", "")
    if (
        not 3 <= len(name) <= 64
        or not plain
        or {unicodedata.category(char)[0] for char in plain} - set("LNM")
    ):
        raise NameUnfit(detail="length or characters")
    if len({_script(char) for char in plain if char.isalpha()}) > 1:
        raise NameUnfit(detail="letters of several alphabets")
    return name


def _script(letter: str) -> str:
    script = unicodedata.name(letter, "UNKNOWN").partition(" ")[0]
    return _ONE_SCRIPT.get(script, script)
