"""A whole invented country on disk: its civil register (JSON Lines), its tax register (CSV), and the truth about both."""

import csv
import io
import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from service.demo import names, places, population
from service.demo.population import TODAY, Country, Person

CIVIL_FILE = "civil.jsonl"
TAX_FILE = "tax.csv"
TRUTH_FILE = "truth.json"
TAX_COLUMNS = (
    "taxpayer_number", "national_identifier", "family_name", "given_name", "birth_date",
    "income_bracket", "tax_residency", "employer", "tax_year",
)  # fmt: skip
BRACKETS = ("0–10,000", "10,000–20,000", "20,000–30,000", "30,000–50,000", "50,000–80,000", "over 80,000")
TAX_YEAR = "2025"
_SHOWCASE = 6


@dataclass
class Truth:
    """What the files hold, counted while they were made; lines and rows count from 1, the CSV header not included."""

    seed: int
    people: int = 0
    living: int = 0
    deceased: int = 0
    households: int = 0
    partial_birth_dates: int = 0
    showcase: list[str] = field(
        default_factory=list
    )  # national identifiers of the people the demo introduces
    twins: list[list[str]] = field(default_factory=list)  # same home and birth date, not the same person
    civil_lines: int = 0
    civil_broken: dict[str, int] = field(default_factory=dict)  # kind -> how many
    civil_broken_lines: dict[int, str] = field(default_factory=dict)  # line number -> kind
    civil_repeated_same: list[str] = field(default_factory=list)  # identifiers written twice, byte for byte
    civil_repeated_changed: list[str] = field(
        default_factory=list
    )  # identifiers written again with a new address
    civil_second_identifiers: list[list[str]] = field(
        default_factory=list
    )  # one person under [first, second]
    tax_rows: int = 0
    tax_broken: dict[str, int] = field(default_factory=dict)
    tax_broken_rows: dict[int, str] = field(default_factory=dict)
    tax_known: int = 0  # good rows about somebody in the civil register
    tax_unknown: list[str] = field(
        default_factory=list
    )  # taxpayer numbers of people the civil register lacks
    tax_without_identifier: dict[str, str] = field(default_factory=dict)  # taxpayer number -> who it truly is
    tax_respelled: list[str] = field(default_factory=list)  # identifiers whose name is spelled otherwise here

    @property
    def civil_good(self) -> int:
        """Lines of the civil register that hold a usable record."""
        return self.civil_lines - sum(self.civil_broken.values())


def write(folder: Path, *, people: int = 10_000, seed: int = 1) -> Truth:
    """Write civil.jsonl, tax.csv and truth.json for `people` people into `folder` (made if missing).

    The same `people` and `seed` give the same bytes. Broken lines, repeats and second identifiers come on top of the
    `people` people. Raises ValueError for fewer than 20 people, OSError if the folder cannot be written.
    """
    if people < 20:
        raise ValueError("a country needs at least 20 people")
    folder.mkdir(parents=True, exist_ok=True)
    rng = Random(f"erti-demo-country-{seed}-{people}")
    country = population.settle(people, rng)
    truth = Truth(seed=seed)
    _count(country, truth)
    (folder / CIVIL_FILE).write_bytes(b"".join(line + b"\n" for line in _civil(country, truth)))
    (folder / TAX_FILE).write_bytes(_tax(country, truth))
    (folder / TRUTH_FILE).write_text(json.dumps(asdict(truth), ensure_ascii=False, indent=1), "utf-8")
    return truth


def read_truth(folder: Path) -> Truth:
    """The truth written beside the registers; raises OSError if there is none."""
    data = json.loads((folder / TRUTH_FILE).read_text("utf-8"))
    for key in ("civil_broken_lines", "tax_broken_rows"):
        data[key] = {int(number): kind for number, kind in data[key].items()}
    return Truth(**data)


def _count(country: Country, truth: Truth) -> None:
    truth.people = len(country.people)
    truth.living = sum(person.living for person in country.people)
    truth.deceased = truth.people - truth.living
    truth.households = len({person.household for person in country.people})
    truth.partial_birth_dates = sum(len(person.born_as_written) < 10 for person in country.people)
    truth.showcase = [person.uin for person in country.people[:_SHOWCASE]]
    cradles: dict[tuple[str, date], list[str]] = {}
    for person in country.people:
        cradles.setdefault((person.household, person.born), []).append(person.uin)
    truth.twins = [pair for pair in cradles.values() if len(pair) > 1]


def record(person: Person, *, uin: str | None = None) -> dict[str, Any]:
    """One person in the DCI/SPDCI civil registry's person shape; what the register does not know is left out."""
    name = {
        "surname": person.name.surname, "given_name": person.name.given, "second_name": person.name.second,
        "maiden_name": person.name.maiden, "prefix": person.name.prefix, "suffix": person.name.suffix,
    }  # fmt: skip
    shape: dict[str, Any] = {
        "identifier": [_identifier("UIN", uin or person.uin), _identifier("BRN", person.brn)],
        "name": {part: text for part, text in name.items() if text},
        "sex": person.sex,
        "birth_date": person.born_as_written,
        "birth_place": person.birth_place,
        "death_date": person.died.isoformat() if person.died else "",
        "address": [person.address],
        "marital_status": person.marital_status,
        "phone_number": person.phones,
        "email": person.emails,
        "household_identifier": person.household,
        "household_size": person.household_size,
        "last_updated": _updated(person).isoformat(),
    }
    for position, parent in enumerate(person.parents[:2], 1):
        shape[f"parent{position}_identifier"] = _identifier("UIN", parent)
    return {key: value for key, value in shape.items() if value not in ("", [])}


def _identifier(kind: str, value: str) -> dict[str, str]:
    return {"identifier_type": kind, "identifier_value": value}


def _updated(person: Person) -> date:
    """A day within the last four years, settled by the person's own number."""
    earliest = max(person.born, person.died or person.born)
    return max(TODAY - timedelta(days=int(person.uin[-6:]) % 1400), earliest)


def _line(shape: object) -> bytes:
    return json.dumps(shape, ensure_ascii=False, separators=(",", ":")).encode()


def _civil(country: Country, truth: Truth) -> list[bytes]:
    """The civil register's lines: everyone once, then repeats, second identifiers and broken lines strewn in."""
    rng, people = country.rng, country.people
    lines = [(float(place), "", _line(record(person))) for place, person in enumerate(people)]
    few = max(1, len(people) // 200)
    again = rng.sample(range(_SHOWCASE, len(people)), few * 5)

    def strewn(place: int) -> float:
        return place + 0.5 + rng.random() * (len(people) - place)

    for place in again[: few * 2]:
        truth.civil_repeated_same.append(people[place].uin)
        lines.append((strewn(place), "", _line(record(people[place]))))
    for place in again[few * 2 : few * 4]:
        moved = record(people[place])
        moved["address"] = [places.address(rng, people[place].community)]
        moved["last_updated"] = TODAY.isoformat()
        truth.civil_repeated_changed.append(people[place].uin)
        lines.append((strewn(place), "", _line(moved)))
    for place in again[few * 4 :]:
        if people[place].name.surname and people[place].living and len(people[place].born_as_written) == 10:
            shape = _second(country, people[place], truth)
            lines.append((strewn(place), "", _line(shape)))
    broken = _BROKEN * max(1, few // 5)
    lines.extend((strewn(0), kind, _broken_line(country, rng.choice(people), kind)) for kind in broken)
    lines.sort(key=lambda line: line[0])
    truth.civil_lines = len(lines)
    truth.civil_broken_lines = {number: kind for number, (_, kind, _) in enumerate(lines, 1) if kind}
    truth.civil_broken = dict(Counter(truth.civil_broken_lines.values()))
    return [line for _, _, line in lines]


def _second(country: Country, person: Person, truth: Truth) -> dict[str, Any]:
    """The same person registered again: another number, one part of the name heard otherwise, the rest alike."""
    number = country.number()
    truth.civil_second_identifiers.append([person.uin, number])
    shape = record(person, uin=number)
    shape["identifier"] = shape["identifier"][:1]
    part = country.rng.choice(("surname", "given_name"))
    shape["name"] = {**shape["name"], part: names.slip(country.rng, shape["name"][part])}
    return shape


_BROKEN = (
    "bad-json", "truncated", "not-an-object", "missing-identifier", "impossible-date", "wrong-types", "invalid-utf8",
)  # fmt: skip


def _broken_line(country: Country, like: Person, kind: str) -> bytes:
    """A line no register should send; it is about nobody in the country, so the counts of people stand."""
    shape = record(like, uin=country.number())
    shape["identifier"] = shape["identifier"][:1]
    if kind == "missing-identifier":
        del shape["identifier"]
    elif kind == "impossible-date":
        shape["birth_date"] = f"{like.born.year}-02-30"
    elif kind == "wrong-types":
        shape["name"] = [shape["name"]]
        shape["birth_date"] = like.born.year
    line = _line(shape)
    if kind == "bad-json":
        return line.replace(b'"name":', b"name:", 1)
    if kind == "truncated":
        return line[: len(line) // 2].decode("utf-8", "ignore").encode()
    if kind == "not-an-object":
        return _line([shape])
    if kind == "invalid-utf8":
        return line.replace(b'"sex":', b'"birth_name":"\xff\xfe\xe1","sex":', 1)
    return line


def _tax(country: Country, truth: Truth) -> bytes:
    """The tax register: most living adults, some respelled or without identifier, some strangers, some broken rows."""
    rng = country.rng
    adults = [person for person in country.people if person.living and person.age >= population.ADULT]
    rows: list[tuple[str, bytes]] = []
    for place, person in enumerate(adults):
        if place < _SHOWCASE or rng.random() < 0.78:
            rows.append(("", _row(_tax_row(country, person, truth, plain=place < _SHOWCASE))))
    truth.tax_known = len(rows)
    for _ in range(max(2, len(adults) // 400)):
        stranger = _tax_row(country, adults[rng.randrange(len(adults))], truth, plain=True)
        stranger[1], stranger[3], stranger[4] = country.number(), "Visitor", "1981-05-05"
        truth.tax_unknown.append(stranger[0])
        rows.append(("", _row(stranger)))
    broken = _BROKEN_ROWS * max(1, len(adults) // 2000)
    rows.extend((kind, _broken_row(country, rng.choice(adults), truth, kind)) for kind in broken)
    rng.shuffle(rows)
    truth.tax_rows = len(rows)
    truth.tax_broken_rows = {number: kind for number, (kind, _) in enumerate(rows, 1) if kind}
    truth.tax_broken = dict(Counter(truth.tax_broken_rows.values()))
    return _row(list(TAX_COLUMNS)) + b"".join(row for _, row in rows)


def _tax_row(country: Country, person: Person, truth: Truth, *, plain: bool) -> list[str]:
    """One taxpayer: `plain` keeps the name and number as the civil register has them."""
    rng, name, born, identifier = country.rng, person.name, person.born_as_written, person.uin
    number = f"T{rng.randrange(10**8, 10**9)}"
    family, given = name.surname, " ".join(part for part in (name.given, name.second) if part)
    draw = rng.random()
    if not plain and draw < 0.25:
        family, given = names.latin(family), names.latin(name.given)
    elif not plain and draw < 0.32 and family:
        family = names.slip(rng, family)
    elif not plain and draw < 0.34 and family and len(born) == 10:
        identifier = ""
        truth.tax_without_identifier[number] = person.uin
    elif not plain and draw < 0.5:
        born = born[:4]
    if (family, given) != (name.surname, " ".join(part for part in (name.given, name.second) if part)):
        truth.tax_respelled.append(person.uin)
    bracket = rng.choices(BRACKETS, (14, 26, 27, 20, 9, 4))[0]
    residency = "non-resident" if rng.random() < 0.02 else "resident"
    return [number, identifier, family, given, born, bracket, residency, places.employer(rng), TAX_YEAR]


_BROKEN_ROWS = (
    "too-few-columns",
    "missing-taxpayer-number",
    "impossible-date",
    "impossible-year",
    "invalid-utf8",
)


def _broken_row(country: Country, like: Person, truth: Truth, kind: str) -> bytes:
    row = _tax_row(country, like, truth, plain=True)
    row[1] = country.number()
    if kind == "too-few-columns":
        return _row(row[:5])
    if kind == "missing-taxpayer-number":
        row[0] = ""
    elif kind == "impossible-date":
        row[4] = "1990-13-45"
    elif kind == "impossible-year":
        row[8] = "20x5"
    elif kind == "invalid-utf8":
        return _row(row).replace(row[2].encode() or b",", b"\xff\xfe\xe1", 1)
    return _row(row)


def _row(values: list[str]) -> bytes:
    sheet = io.StringIO()
    csv.writer(sheet, lineterminator="\n").writerow(values)
    return sheet.getvalue().encode()
