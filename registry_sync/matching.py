"""Who might be the same person: blocking keys to find candidates, and rules to compare them."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

import jellyfish
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from keys import blind
from registry_sync.tables import person_block
from registry_sync.wire.shapes import Identity

Verdict = Literal["same", "unsure", "different"]


def _pairs(text: str) -> dict[str, str]:
    return {pair[0]: pair[1:] for pair in text.split()}


_GEORGIAN = _pairs(
    "აa ბb გg დd ეe ვv ზz თt იi კk ლl მm ნn ოo პp ჟzh რr სs ტt უu ფp ქk ღgh ყq შsh ჩch ცts ძdz წts ჭch ხkh ჯj ჰh"
)
_CYRILLIC = _pairs(
    "аa бb вv гg дd еe жzh зz иi йi кk лl мm нn оo пp рr сs тt уu фf хkh цts чch шsh щshch ъ ыy ь эe юiu яia"
    " єie іi їi ґg"
)
_LATIN = {
    "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h",
    "ə": "e", "ŋ": "n",
}  # fmt: skip
_TRANSLITERATION = str.maketrans({**_GEORGIAN, **_CYRILLIC, **_LATIN})
_WORDS = re.compile(r"[^\W\d_]+")
# Spellings that different clerks use for one sound; a little too much is right for finding candidates.
_SOUNDS = (
    ("tch", "c"), ("sch", "s"), ("ch", "c"), ("sh", "s"), ("ts", "c"), ("tz", "c"), ("dz", "z"), ("zh", "z"),
    ("kh", "h"), ("gh", "g"), ("ph", "p"), ("th", "t"), ("ck", "k"), ("q", "k"), ("w", "v"), ("y", "i"),
    ("j", "i"), ("ii", "i"), ("x", "ks"),
)  # fmt: skip
SURNAME_KEYS = 3
_KEEP = {
    "sqlite": sqlite.insert(person_block).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(person_block).on_conflict_do_nothing(),
}


def folded(text: str) -> str:
    """Return a name in lower-case Latin letters without marks; other scripts stay as they are."""
    spelled = text.casefold().translate(_TRANSLITERATION)
    return "".join(
        letter for letter in unicodedata.normalize("NFKD", spelled) if not unicodedata.combining(letter)
    ).translate(_TRANSLITERATION)


def words(*names: str) -> list[str]:
    """Return the folded words of some names; apostrophes do not part them, hyphens and blanks do."""
    joined = " ".join(names).replace("'", "").replace("’", "")
    return _WORDS.findall(folded(joined))


def sound(word: str) -> str:
    """Return how a folded word sounds: spellings of one sound made alike, then Metaphone."""
    for spelled, plain in _SOUNDS:
        word = word.replace(spelled, plain)
    return jellyfish.metaphone(word) if word.isascii() else word


def blocks(db: Session, who: Identity) -> list[bytes]:
    """Return the blind blocking keys of a person.

    Phonetic surname and birth year; where the whole birth date is known also phonetic first name and
    that date, so that a misheard surname does not hide a duplicate.
    """
    surname, given = words(who.family), words(who.given)
    year = who.born[:4]
    keys = {f"s|{sound(word)}|{year}" for word in (surname or given)[:SURNAME_KEYS]}
    if len(who.born) == 10 and given:
        keys.add(f"g|{sound(given[0])}|{who.born}")
    return [blind.index(db, "registry_sync.block", key) for key in sorted(keys)]


def keep(db: Session, pairs: Iterable[tuple[bytes, str]]) -> None:
    """Store blocking keys of citizens; those that are there already stay."""
    if rows := [{"blind": block, "citizen_id": citizen} for block, citizen in pairs]:
        db.execute(_KEEP[db.get_bind().dialect.name], rows)


def compared(known: Identity, other: Identity) -> Verdict:
    """Tell whether two records of the civil registry are about one person.

    1. Two birth registration numbers: one birth, or two.
    2. Same name, same whole birth date, same home or birth place, sex not contradicting: same.
    3. Nearly so, one of these off by a slip or by missing parts: unsure, for people to decide.
    """
    names, born = _names(known, other), _born(known.born, other.born)
    if known.birth_number and other.birth_number:
        if known.birth_number != other.birth_number:
            return "different"
        return "same" if names != "differ" and born != "differ" else "unsure"
    if names == "differ" or born == "differ":
        return "different"
    near = _near(known, other)
    sex = "agree" if not (known.sex and other.sex) or known.sex == other.sex else "contradict"
    if names == "equal" and born == "equal":
        return "same" if near == "agree" and sex == "agree" else "unsure"
    if sex == "contradict":
        return "different"
    if born == "equal":
        return "unsure" if near != "contradict" else "different"
    return "unsure" if near == "agree" else "different"


def pointed_at(known: Identity, other: Identity) -> Verdict:
    """Tell whether a record that has only names and a birth date (a tax record) is about a person."""
    names, born = _names(known, other), _born(known.born, other.born)
    if names == "differ" or born in ("differ", "close"):
        return "different"
    return "same" if names == "equal" and born == "equal" else "unsure"


def contradicts(known: Identity, other: Identity) -> bool:
    """Tell whether a record under somebody's identifier is plainly about somebody else: no name, no birth year."""
    if not (known.born and other.born) or known.born[:4] == other.born[:4]:
        return False
    mine, theirs = _all_words(known), _all_words(other)
    return not any(_alike(word, their) for word in mine for their in theirs)


def _names(known: Identity, other: Identity) -> Literal["equal", "close", "differ"]:
    mine, theirs = (
        words(known.given, known.second, known.family),
        words(other.given, other.second, other.family),
    )
    if sorted(mine) == sorted(theirs):
        return "equal" if _one_spelling(known, other) else "close"
    if _alike("".join(mine), "".join(theirs)):
        return "close"
    fewer, more = sorted((mine, theirs), key=len)
    if len(fewer) >= 2 and all(any(_alike(word, held) for held in more) for word in fewer):
        return "close"
    return "differ"


def _one_spelling(known: Identity, other: Identity) -> bool:
    # Georgian has letters that fold to one Latin letter: alike within one script is a slip, not the same name.
    mine = f"{known.given} {known.second} {known.family}".casefold().split()
    theirs = f"{other.given} {other.second} {other.family}".casefold().split()
    if sorted(mine) == sorted(theirs):
        return True
    return "".join(mine).isascii() != "".join(theirs).isascii()


def _alike(first: str, second: str) -> bool:
    if first == second:
        return True
    length = min(len(first), len(second))
    if length < 3 or abs(len(first) - len(second)) > 2:
        return False
    if sound(first) == sound(second):
        return True
    return jellyfish.damerau_levenshtein_distance(first, second) <= (2 if length >= 10 else 1)


def _born(first: str, second: str) -> Literal["equal", "compatible", "close", "differ"]:
    if not first or not second:
        return "compatible"
    shared = min(len(first), len(second))
    if first[:shared] == second[:shared]:
        return "equal" if shared == 10 else "compatible"
    if shared < 10:
        return "differ"
    swapped = f"{second[:4]}-{second[8:]}-{second[5:7]}"
    return (
        "close"
        if first == swapped or sum(a != b for a, b in zip(first, second, strict=True)) == 1
        else "differ"
    )


def _near(known: Identity, other: Identity) -> Literal["agree", "unknown", "contradict"]:
    pairs = [(known.home, other.home), (known.birth_place, other.birth_place)]
    stated = [(folded(mine), folded(theirs)) for mine, theirs in pairs if mine and theirs]
    if any(mine == theirs for mine, theirs in stated):
        return "agree"
    return "contradict" if stated else "unknown"


def _all_words(who: Identity) -> list[str]:
    return words(who.given, who.second, who.family, who.maiden)
