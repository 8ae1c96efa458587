"""The map of the invented country: regions, towns, streets and employers."""

from random import Random

# region code, town in Georgian, town in Latin letters, first two digits of a postal code
TOWNS = (
    ("XV-CE", "ვაშლიანი", "Vashliani", "01"),
    ("XV-CE", "მთვარეული", "Mtvareuli", "02"),
    ("XV-WE", "ზღვისპირა", "Zghvispira", "11"),
    ("XV-WE", "ქვიშეთი", "Kvisheti", "12"),
    ("XV-EA", "ბროწეულა", "Brotseula", "21"),
    ("XV-EA", "ნუშიანი", "Nushiani", "22"),
    ("XV-NO", "თოვლისხევი", "Tovliskhevi", "31"),
    ("XV-NO", "Ørskel", "Ørskel", "32"),
    ("XV-SO", "ტყემლოვანი", "Tqemlovani", "41"),
    ("XV-SO", "კაკლის ველი", "Kaklis Veli", "42"),
)
_STREETS = (
    ("წყაროს ქუჩა", "Tsqaro Street"),
    ("ძველი ბაზრის მოედანი", "Old Market Square"),
    ("კოშკის აღმართი", "Tower Rise"),
    ("მუხების ხეივანი", "Oak Avenue"),
    ("სანაპირო", "Embankment"),
    ("მეორე რკინიგზის ქუჩა", "Second Railway Street"),
    ("ვარსკვლავების ქუჩა", "Street of the Stars"),
    ("ბაღების ჩიხი", "Gardens Lane"),
)
_EMPLOYERS = (
    "Vashli Orchards, Ltd.",
    "Northern Railway",
    'Bakery "Tone"',
    "შპს მთის წყარო",
    "ზღვისპირა პორტი",
    "Ministry of Roads",
    "Nushi & Daughters",
    "Public School No. 12",
    "სს ელექტრო, ფილიალი 3",
    "Tower Street Clinic",
    "Ørskel Timber",
    "Self-employed",
)


def address(rng: Random, community: str) -> dict[str, str]:
    """One postal address in the register's own shape, in the script of the household."""
    region, georgian, latin, postal = rng.choice(TOWNS)
    street = rng.choice(_STREETS)
    own = community == "georgian"
    return {
        "address_line1": f"{street[0] if own else street[1]} {rng.randrange(1, 180)}",
        "locality": georgian if own else latin,
        "sub_region_code": f"{region}-{rng.randrange(1, 9)}",
        "region_code": region,
        "postal_code": f"{postal}{rng.randrange(10, 99)}",
        "country_code": "XV",
    }


def birth_place(rng: Random, community: str) -> str:
    """A town of the country, in the script of the household."""
    town = rng.choice(TOWNS)
    return town[1] if community == "georgian" else town[2]


def employer(rng: Random) -> str:
    """An employer; some names hold a comma, a quotation mark or Georgian letters, as real ones do."""
    return rng.choice(_EMPLOYERS)
