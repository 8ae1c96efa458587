"""Which attributes there are: their names, labels, the register each comes from, and how sensitive they are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A register as people know it."""

    name: str
    label: dict[str, str]


@dataclass(frozen=True)
class Attribute:
    """One attribute. `sensitivity` is low, medium or high; `group` gathers attributes on a page."""

    name: str
    label: dict[str, str]
    source: str
    group: str
    sensitivity: str


ENROLMENT = "enrolment"
SOURCES = {
    "civil": Source("civil", {"en": "Civil registry", "ka": "სამოქალაქო რეესტრი"}),
    "tax": Source("tax", {"en": "Tax register", "ka": "საგადასახადო რეესტრი"}),
    # Test citizens only: what they were enrolled with, whatever register would know it.
    ENROLMENT: Source(ENROLMENT, {"en": "Test enrolment", "ka": "სატესტო რეგისტრაცია"}),
}
GROUPS = {
    "name": {"en": "Name", "ka": "სახელი"},
    "person": {"en": "Person", "ka": "პირადი მონაცემები"},
    "home": {"en": "Home and family", "ka": "საცხოვრებელი და ოჯახი"},
    "contact": {"en": "Contact", "ka": "საკონტაქტო"},
    "tax": {"en": "Work and tax", "ka": "სამუშაო და გადასახადები"},
    "profile": {"en": "Profile", "ka": "პროფილი"},
}

# name, English, Georgian, source, group, sensitivity
_ROWS = (
    ("given_name", "Given name", "სახელი", "civil", "name", "low"),
    ("middle_name", "Second name", "მეორე სახელი", "civil", "name", "low"),
    ("family_name", "Family name", "გვარი", "civil", "name", "low"),
    ("name", "Full name", "სრული სახელი", "civil", "name", "low"),
    ("birthdate", "Date of birth", "დაბადების თარიღი", "civil", "person", "medium"),
    ("gender", "Sex", "სქესი", "civil", "person", "medium"),
    ("birth_place", "Place of birth", "დაბადების ადგილი", "civil", "person", "medium"),
    ("national_identifier", "National identifier", "პირადი ნომერი", "civil", "person", "high"),
    ("address", "Address", "მისამართი", "civil", "home", "medium"),
    ("marital_status", "Marital status", "ოჯახური მდგომარეობა", "civil", "home", "high"),
    ("household_size", "People in the household", "ოჯახის წევრთა რაოდენობა", "civil", "home", "medium"),
    ("email", "E-mail address", "ელფოსტის მისამართი", "civil", "contact", "medium"),
    ("email_verified", "E-mail address is checked", "ელფოსტა შემოწმებულია", "civil", "contact", "low"),
    ("phone_number", "Telephone number", "ტელეფონის ნომერი", "civil", "contact", "medium"),
    (
        "phone_number_verified",
        "Telephone number is checked",
        "ტელეფონის ნომერი შემოწმებულია",
        "civil",
        "contact",
        "low",
    ),
    ("income_bracket", "Income bracket", "შემოსავლის ფარგლები", "tax", "tax", "high"),
    ("tax_residency", "Tax residency", "საგადასახადო რეზიდენტობა", "tax", "tax", "medium"),
    ("employer", "Employer", "დამსაქმებელი", "tax", "tax", "high"),
    ("tax_year", "Tax year", "საგადასახადო წელი", "tax", "tax", "low"),
    ("nickname", "Nickname", "მეტსახელი", ENROLMENT, "profile", "low"),
    ("preferred_username", "Preferred user name", "სასურველი სახელი", ENROLMENT, "profile", "low"),
    ("profile", "Profile page", "პროფილის გვერდი", ENROLMENT, "profile", "low"),
    ("picture", "Picture", "ფოტოსურათი", ENROLMENT, "profile", "medium"),
    ("website", "Website", "ვებგვერდი", ENROLMENT, "profile", "low"),
    ("zoneinfo", "Time zone", "დროის სარტყელი", ENROLMENT, "profile", "low"),
    ("locale", "Language", "ენა", ENROLMENT, "profile", "low"),
    ("updated_at", "Last updated", "ბოლო განახლება", ENROLMENT, "profile", "low"),
)
CATALOGUE = {
    name: Attribute(name, {"en": english, "ka": georgian}, source, group, sensitivity)
    for name, english, georgian, source, group, sensitivity in _ROWS
}
