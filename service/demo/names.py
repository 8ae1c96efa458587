"""The names of the invented country: Georgian and Latin script, one part or four, and how registers misspell them."""

from dataclasses import dataclass
from random import Random

_LATIN = {
    "ა": "a", "ბ": "b", "გ": "g", "დ": "d", "ე": "e", "ვ": "v", "ზ": "z", "თ": "t", "ი": "i", "კ": "k", "ლ": "l",
    "მ": "m", "ნ": "n", "ო": "o", "პ": "p", "ჟ": "zh", "რ": "r", "ს": "s", "ტ": "t", "უ": "u", "ფ": "p", "ქ": "k",
    "ღ": "gh", "ყ": "q", "შ": "sh", "ჩ": "ch", "ც": "ts", "ძ": "dz", "წ": "ts", "ჭ": "ch", "ხ": "kh", "ჯ": "j",
    "ჰ": "h",
}  # fmt: skip


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_WOMEN = _words(
    "ნინო მარიამ ელენე თამარ ანა ქეთევან ლელა სალომე ნათია მაკა ეკა ირმა თეა ლიკა მზია ნანა ლალი დალი შორენა "
    "ხატია ნესტანი თინათინ გვანცა ნუცა რუსუდან ლანა ია მედეა ციალა ნაირა"
)
_MEN = _words(
    "გიორგი დავით ლუკა ნიკოლოზ ზურაბ ლევან ირაკლი თორნიკე სანდრო ბექა ვახტანგ მერაბ თემურ რევაზ ოთარ ნოდარ "
    "გელა შოთა ავთანდილ ზაზა ვაჟა ამირან ლაშა დათუნა კახა მამუკა ჯუმბერ გოჩა არჩილ ტარიელ"
)
_ROOTS = _words(
    "ვაშლ მთვარ წყარ ბარათ ციხ ხევ ნისლ კლდ ველ თოვლ ფიჭვ მუხ ტყემლ ბროწ ალუბ რკინ ოქრ ვერცხ კაკლ ნუშ "
    "ჭად მელ დათვ ირმ არწ მერცხ შვლ თაფლ ყვავ ლერწ ქვიშ კოშკ ბურჯ ზღვ ტბილ ჩანჩქ ღელ ძეგლ ჯიხვ ხომლ"
)
_ENDINGS = ("იძე", "აძე", "იშვილი", "აშვილი", "იანი", "ური", "ელი", "ავა", "უა", "ია", "ონია", "აური")

# The highland minority writes in Latin letters with marks of its own and often has one name only.
_HIGH_WOMEN = _words("Ýsla Mairén Oštra Véliane Súna Iðra Ćelme Nõra Ålvi Tirèse")
_HIGH_MEN = _words("Orvån Teçko Brúno Idrís Hálvar Ødmar Kąrel Stefán Jörin Ulfès")
_HIGH_FAMILY = _words(
    "Vårnes Ørskel Tálmora Brešnik D'Almenë Kørvin Ysterö Njálmar O'Rénn Sçarpa Vel-Amra Ünthal"
)
_LONG = (
    "Alexandrena-Maximiliana",
    "Konstantinopolitanus",
    "Bartholomaeus-Hieronymus",
    "Philadelphia-Anastasia",
)
_SINGLE = ("Suralta", "Maivren", "თოვლია", "Odrik", "მზეჭაბუკი", "Halveira", "Ilmir", "ზვიადური")
_SLIPS = (
    ("sh", "š"),
    ("kh", "h"),
    ("ts", "c"),
    ("ia", "ya"),
    ("gh", "g"),
    ("i", "y"),
    ("z", "s"),
    ("v", "w"),
)
_SLIPS_GEORGIAN = (
    ("ქ", "კ"),
    ("თ", "ტ"),
    ("წ", "ც"),
    ("ჭ", "ჩ"),
    ("ფ", "პ"),
    ("ყ", "კ"),
    ("ღ", "გ"),
    ("ია", "იია"),
)


@dataclass(frozen=True)
class Name:
    """A person's name in parts; a part that the person does not have is empty."""

    given: str
    surname: str = ""
    second: str = ""
    maiden: str = ""
    prefix: str = ""
    suffix: str = ""


def latin(text: str) -> str:
    """`text` with Georgian letters written in Latin ones and each word's first letter raised."""
    spelled = "".join(_LATIN.get(letter, letter) for letter in text)
    if spelled == text:
        return text
    return "".join(c.upper() if i == 0 or spelled[i - 1] in " -" else c for i, c in enumerate(spelled))


def family(rng: Random, community: str) -> str:
    """An invented family name: community is "georgian", "latin" (the same names in Latin letters) or "highland"."""
    if community == "highland":
        return rng.choice(_HIGH_FAMILY)
    surname = rng.choice(_ROOTS) + rng.choice(_ENDINGS)
    return latin(surname) if community == "latin" else surname


def given(rng: Random, community: str, sex: str) -> str:
    """A given name for one sex ("female" or "male")."""
    if community == "highland":
        return rng.choice(_HIGH_WOMEN if sex == "female" else _HIGH_MEN)
    name = rng.choice(_WOMEN if sex == "female" else _MEN)
    return latin(name) if community == "latin" else name


def compose(rng: Random, community: str, sex: str, surname: str) -> Name:
    """A name of one to four parts, in the shares a civil register sees (mostly two)."""
    draw = rng.random()
    if draw < 0.02 or (community == "highland" and draw < 0.25):
        return Name(given=rng.choice(_SINGLE))
    first = given(rng, community, sex)
    if draw < 0.72:
        return Name(given=first, surname=surname)
    second = given(rng, community, sex)
    if draw < 0.93:
        return Name(given=first, surname=surname, second=second)
    double = f"{surname}-{family(rng, community)}"
    if draw < 0.985:
        return Name(given=first, surname=double, second=second)
    return Name(
        given=rng.choice(_LONG), surname=f"{double}-{family(rng, community)}", second=rng.choice(_LONG)
    )


def slip(rng: Random, text: str) -> str:
    """`text` as another clerk might have heard it: one letter group changed, or a letter doubled."""
    slips = _SLIPS_GEORGIAN if any(letter in _LATIN for letter in text) else _SLIPS
    lower = text.lower()
    places = [(lower.index(old, 1), old, new) for old, new in slips if old in lower[1:]]
    if places:
        at, old, new = rng.choice(places)
        return text[:at] + new + text[at + len(old) :]
    at = rng.randrange(1, len(text)) if len(text) > 1 else 0
    return text[: at + 1] + text[at] + text[at + 1 :]
