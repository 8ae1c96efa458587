"""Who lives in the invented country: households, parents, births, deaths, and the people the demo introduces."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from service.demo import names, places
from service.demo.names import Name

TODAY = date(
    2026, 1, 1
)  # the country stands still on this day, so that the same seed is the same country for ever
ADULT = 18
_TEN_ALPHABET = "0123456789"


@dataclass
class Person:
    """One person as the country knows them; `born_as_written` is what the register holds of the birth date."""

    uin: str
    brn: str
    name: Name
    sex: str
    community: str
    born: date
    born_as_written: str
    birth_place: str
    household: str
    address: dict[str, str]
    marital_status: str = "single"
    died: date | None = None
    parents: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)
    household_size: int = 1

    @property
    def age(self) -> int:
        """Full years on the day the country stands still."""
        before = (TODAY.month, TODAY.day) < (self.born.month, self.born.day)
        return TODAY.year - self.born.year - before

    @property
    def living(self) -> bool:
        """Whether no death is registered."""
        return self.died is None


class Country:
    """People in the order they were registered; a number is never given twice."""

    def __init__(self, rng: Random) -> None:
        """An empty country drawing everything from `rng`."""
        self.rng = rng
        self.people: list[Person] = []
        self._numbers: set[str] = set()
        self._names: set[tuple[str, str, str, date]] = set()
        self._households = 0

    def number(self) -> str:
        """A new national identifier: eleven digits of which the last is an ISO 7064 Mod 11,10 check digit."""
        while True:
            digits = "".join(self.rng.choice(_TEN_ALPHABET) for _ in range(10))
            number = digits + check_digit(digits)
            if digits[0] != "0" and number not in self._numbers:
                self._numbers.add(number)
                return number

    def born_between(self, youngest: int, oldest: int) -> date:
        """A birth date of someone from `youngest` to `oldest` years old."""
        return TODAY - timedelta(days=self.rng.randrange(youngest * 365 + 1, oldest * 365 + 300))

    def move_in(self, size: int) -> "Home":
        """A new address for a household that will have `size` people."""
        self._households += 1
        community = self.rng.choices(("georgian", "latin", "highland"), (52, 38, 10))[0]
        return Home(
            f"HH-{self._households:06}",
            community,
            names.family(self.rng, community),
            places.address(self.rng, community),
            size,
        )

    def add(self, home: "Home", sex: str, born: date, *, name: Name | None = None) -> Person:
        """One more person in a household; two people never share full name and birth date."""
        while name is None or self._key(name, born) in self._names:
            name = names.compose(self.rng, home.community, sex, home.surname)
        self._names.add(self._key(name, born))
        person = Person(
            uin=self.number(),
            brn=f"B-{born.year}-{len(self.people) + 1:06}",
            name=name,
            sex=sex,
            community=home.community,
            born=born,
            born_as_written=born.isoformat(),
            birth_place=places.birth_place(self.rng, home.community),
            household=home.id,
            address=home.address,
            household_size=home.size,
        )
        self._contacts(person)
        self.people.append(person)
        return person

    def _key(self, name: Name, born: date) -> tuple[str, str, str, date]:
        return (names.latin(name.given), names.latin(name.second), names.latin(name.surname), born)

    def _contacts(self, person: Person) -> None:
        if person.age < 14:
            return
        if self.rng.random() < 0.85:
            person.phones.append(f"+999 5{self.rng.randrange(10**7, 10**8)}")
        if self.rng.random() < 0.55:
            local = names.latin(person.name.given).lower().encode("ascii", "ignore").decode() or "post"
            person.emails.append(f"{local}.{person.uin[-5:]}@mail.example")


@dataclass(frozen=True)
class Home:
    """A household: its number, the script it writes in, its family name, its address and how many it has."""

    id: str
    community: str
    surname: str
    address: dict[str, str]
    size: int


def check_digit(digits: str) -> str:
    """The ISO 7064 Mod 11,10 check digit of a string of digits."""
    product = 10
    for digit in digits:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return str((11 - product) % 10)


def settle(people: int, rng: Random) -> Country:
    """A country of exactly `people` people, the demo's own first."""
    country = Country(rng)
    _introduce(country, people)
    while len(country.people) < people:
        _household(country, people - len(country.people))
    _blur_birth_dates(country)
    _bury(country)
    return country


def _introduce(country: Country, room: int) -> None:
    """The people the demo introduces by name: living adults with plain contact data and a whole birth date."""
    cast = (
        (Name("Nino", "Vashlidze"), "female", date(1988, 4, 17)),
        (Name("გიორგი", "მთვარაშვილი", second="ლუკა"), "male", date(1979, 11, 2)),
        (Name("Maivren"), "female", date(1996, 7, 30)),
        (
            Name("Alexandrena-Maximiliana", "D'Almenë-Vårnes-Tálmora", second="Mairén"),
            "female",
            date(1964, 1, 9),
        ),
        (Name("თამარ", "წყარელი", maiden="ციხაძე", prefix="დოქ."), "female", date(1971, 9, 23)),
        (Name("Luka", "Nushiani", suffix="Jr."), "male", date(2001, 2, 28)),
    )
    for name, sex, born in cast[:room]:
        home = country.move_in(1)
        georgian = any("ა" <= letter <= "ჰ" for letter in name.given)
        community = "georgian" if georgian else "latin"
        person = country.add(
            Home(home.id, community, name.surname, places.address(country.rng, community), 1),
            sex,
            born,
            name=name,
        )
        person.phones = [f"+999 5{country.rng.randrange(10**7, 10**8)}"]
        person.emails = [f"{person.brn.lower()}@mail.example"]


def _household(country: Country, room: int) -> None:
    """One household of one to `room` people: alone, a couple, or a family of up to three generations."""
    rng = country.rng
    kind = rng.choices(("alone", "couple", "family", "one parent"), (24, 24, 42, 10))[0]
    children = min(rng.choices((1, 2, 3, 4), (40, 40, 15, 5))[0], max(room - 2, 0))
    elders = 1 if kind == "family" and rng.random() < 0.15 and room > children + 2 else 0
    if kind == "alone" or room == 1:
        person = country.add(country.move_in(1), rng.choice(("female", "male")), country.born_between(19, 92))
        person.marital_status = rng.choice(("single", "single", "widowed", "divorced"))
        return
    if kind == "couple" or children == 0:
        _couple(country, country.move_in(2), country.born_between(20, 88))
        return
    adults = 2 if kind == "family" else 1
    home = country.move_in(adults + children + elders)
    eldest = country.born_between(26, 60)
    if adults == 2:
        parents = list(_couple(country, home, eldest))
    else:
        parents = [country.add(home, rng.choice(("female", "female", "male")), eldest)]
        parents[0].marital_status = rng.choice(("single", "divorced", "widowed"))
    if elders:
        elder = country.add(home, "female", eldest - timedelta(days=rng.randrange(20 * 365, 32 * 365)))
        elder.marital_status = "widowed"
        parents[0].parents = [elder.uin]
    _children(country, home, parents, children)


def _couple(country: Country, home: Home, born: date) -> tuple[Person, Person]:
    rng = country.rng
    wife = country.add(home, "female", born)
    youngest = TODAY - timedelta(days=19 * 365)
    husband = country.add(home, "male", min(born + timedelta(days=rng.randrange(-2000, 1500)), youngest))
    for partner in (wife, husband):
        partner.marital_status = "married"
    if wife.name.surname and rng.random() < 0.4:
        wife.name = Name(
            wife.name.given, wife.name.surname, wife.name.second, maiden=names.family(rng, home.community)
        )
    return wife, husband


def _children(country: Country, home: Home, parents: list[Person], children: int) -> None:
    """Children, now and then twins: the same birth date, parents and home, and two people all the same."""
    rng = country.rng
    youngest = max(parent.born for parent in parents)
    born = youngest + timedelta(days=rng.randrange(20 * 365, 25 * 365))
    for _ in range(children):
        if born >= TODAY:
            born = TODAY - timedelta(days=rng.randrange(1, 300))
        child = country.add(home, rng.choice(("female", "male")), born)
        child.parents = [parent.uin for parent in parents]
        if rng.random() > 0.03:
            born += timedelta(days=rng.randrange(400, 1500))


def _blur_birth_dates(country: Country) -> None:
    """Some old entries hold only a year, or a year and a month."""
    for person in country.people[6:]:
        share = 0.08 if person.age > 60 else 0.012
        draw = country.rng.random()
        if draw < share / 2:
            person.born_as_written = person.born.isoformat()[:4]
        elif draw < share:
            person.born_as_written = person.born.isoformat()[:7]


def _bury(country: Country) -> None:
    """Some have died: mostly the old, now and then a child."""
    rng = country.rng
    for person in country.people[6:]:
        likely = 0.35 if person.age > 80 else 0.06 if person.age > 60 else 0.004
        if rng.random() < likely:
            day = TODAY - timedelta(days=rng.randrange(1, 9 * 365))
            person.died = max(day, person.born + timedelta(days=1))
