"""Agencies and purposes as they are declared in a file: what each field may hold, and where a mistake is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import rfc8785

from consent import allowances, assurance
from consent.allowances import Allowance
from consent.errors import Mistake
from core.language import Lazy, _
from core.settings import Settings
from registry_sync.catalogue import CATALOGUE

IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]*")
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
ADDRESS = re.compile(r"https?://[^\s/]+(/\S*)?")
LONGEST_ID = 64
LONGEST_NAME = 200
LONGEST_CONTACT = 500
LONGEST_TEXT = 4000
LONGEST_DAYS = 36_525
LONGEST_DECLARATION = 60_000  # a leaf of the ledger holds at most 65,535 bytes (C2SP tlog-tiles)
KINDS = ("public", "private")
TEXTS = ("title", "why", "refused")
BASES = {"consent": ("kind",), "law": ("kind", "act", "article", "url", "deceased", "withhold")}
AGENCY_FIELDS = ("id", "names", "kind", "contact", "state", "covered", "covered_since")
AGENCY_OPTIONAL = ("state", "covered", "covered_since")
PURPOSE_FIELDS = ("id", "agency", "attributes", "texts", "basis", "retention_days", "valid_days", "acr")
LIMITS = ("once", "reads", "per", "from", "until")


@dataclass
class Reader:
    """Reads a declaration and collects every mistake with its path, so that all can be put right at once."""

    languages: Sequence[str]
    longest_withheld: int = LONGEST_DAYS  # days for which a law may keep a read out of its citizen's history
    mistakes: list[Mistake] = field(default_factory=list)

    def wrong(self, path: str, says: str | Lazy) -> None:
        """Note a mistake."""
        self.mistakes.append(Mistake(path, says))

    def fields(self, raw: object, path: str, known: Sequence[str], *, optional: Sequence[str] = ()) -> bool:
        """Tell whether `raw` is a mapping that can be read on; note unknown and missing fields."""
        if not isinstance(raw, Mapping):
            self.wrong(path, _("must be a group of named fields"))
            return False
        for name in raw:
            if name not in known:
                self.wrong(f"{path}.{name}", _("is not a known field"))
        for name in known:
            if name not in raw and name not in optional:
                self.wrong(f"{path}.{name}", _("is missing"))
        return True

    def text(self, raw: Any, path: str, *, longest: int) -> str:
        """Return a text without surrounding blanks; note one that is empty, too long or not text."""
        if not isinstance(raw, str):
            self.wrong(path, _("must be text (put it in quotation marks)"))
            return ""
        found = raw.strip()
        if not found:
            self.wrong(path, _("must not be empty"))
        elif len(found) > longest:
            self.wrong(path, _("is longer than {longest} characters").format(longest=longest))
        elif any(letter < " " and letter not in "\n\t" for letter in found):
            self.wrong(path, _("holds control characters"))
        elif any("\ud800" <= letter <= "\udfff" for letter in found):
            self.wrong(path, _("is not valid Unicode"))
        return found

    def identifier(self, raw: Any, path: str, form: re.Pattern[str] = IDENTIFIER) -> str:
        """Return an ID; note one that is not short, lower case and plain."""
        found = self.text(raw, path, longest=LONGEST_ID)
        if found and not form.fullmatch(found):
            self.wrong(
                path, _("must be lower-case Latin letters, digits and hyphens, and begin with a letter")
            )
        return found

    def one_of(self, raw: Any, path: str, known: Sequence[str]) -> str:
        """Return a word out of a list; note any other."""
        if raw not in known:
            self.wrong(path, _("must be one of: {known}").format(known=", ".join(known)))
            return known[0] if known else ""
        return str(raw)

    def days(self, raw: Any, path: str) -> int:
        """Return a whole number of days; note one that is not within 1 and a hundred years."""
        if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= LONGEST_DAYS:
            self.wrong(path, _("must be a whole number of days from 1 to {most}").format(most=LONGEST_DAYS))
            return 1
        return raw

    def count(self, raw: Any, path: str) -> int:
        """Return a number of reads; note one that is not within 1 and a million."""
        most = allowances.MOST_READS
        if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= most:
            self.wrong(path, _("must be a whole number from 1 to {most}").format(most=most))
            return 1
        return raw

    def day(self, raw: Any, path: str) -> str:
        """Return a day as YYYY-MM-DD, from a date (which YAML makes of it) or text; note anything else."""
        if isinstance(raw, date) and not isinstance(raw, datetime):
            return raw.isoformat()
        try:
            return date.fromisoformat(raw).isoformat()
        except (TypeError, ValueError):
            self.wrong(path, _("must be a day such as 2026-03-31"))
            return ""

    def by_language(self, raw: object, path: str) -> dict[str, Any]:
        """Return what is given for each language; note official languages that are missing."""
        if not isinstance(raw, Mapping):
            self.wrong(
                path, _("must give one for each language: {all}").format(all=", ".join(self.languages))
            )
            return {}
        for language in self.languages:
            if language not in raw:
                self.wrong(f"{path}.{language}", _("is missing: every official language is needed"))
        for language in raw:
            if not isinstance(language, str) or not LANGUAGE.fullmatch(language):
                self.wrong(f"{path}.{language}", _("is not a language tag such as en or ka"))
        return {str(language): value for language, value in raw.items()}


def reader(settings: Settings) -> Reader:
    """Return a reader for the official languages, and for the longest time that a law may withhold a read."""
    return Reader(settings.languages, settings.withheld_longest_days)


def agency(reader: Reader, raw: Any, path: str) -> dict[str, Any]:
    """Read an agency's declaration; returns it in its stored form, complete only if nothing was noted."""
    if not reader.fields(raw, path, AGENCY_FIELDS, optional=AGENCY_OPTIONAL):
        return {}
    names = reader.by_language(raw.get("names", {}), f"{path}.names") if "names" in raw else {}
    return {
        "id": _given(raw, "id", path, reader.identifier),
        "names": {
            language: reader.text(name, f"{path}.names.{language}", longest=LONGEST_NAME)
            for language, name in sorted(names.items())
        },
        "kind": reader.one_of(raw["kind"], f"{path}.kind", KINDS) if "kind" in raw else "",
        "contact": (
            reader.text(raw["contact"], f"{path}.contact", longest=LONGEST_CONTACT)
            if "contact" in raw
            else ""
        ),
        "state": reader.one_of(raw.get("state", "active"), f"{path}.state", ("active", "suspended")),
        **_coverage(reader, raw, path),
    }


def _coverage(reader: Reader, raw: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Read whether the histories cover the agency, and since when; left out, since it joined."""
    covered, since = raw.get("covered", True), raw.get("covered_since")
    if not isinstance(covered, bool):
        reader.wrong(f"{path}.covered", _("must be true or false"))
    day = None if since is None else reader.day(since, f"{path}.covered_since")
    if day and covered is False:
        reader.wrong(f"{path}.covered_since", _("names a day, but the agency is said not to be covered"))
    return {"covered": covered is True, "covered_since": day or None}


def purpose(reader: Reader, raw: Any, path: str) -> dict[str, Any]:
    """Read a purpose's declaration; returns it in its stored form, complete only if nothing was noted."""
    if not reader.fields(raw, path, (*PURPOSE_FIELDS, "limits"), optional=("limits",)):
        return {}
    texts = reader.by_language(raw["texts"], f"{path}.texts") if "texts" in raw else {}
    found: dict[str, Any] = {
        "id": _given(raw, "id", path, reader.identifier),
        "agency": _given(raw, "agency", path, reader.identifier),
        "attributes": _attributes(reader, raw["attributes"], f"{path}.attributes")
        if "attributes" in raw
        else [],
        "texts": {
            language: _text(reader, value, f"{path}.texts.{language}")
            for language, value in sorted(texts.items())
        },
        "basis": _basis(reader, raw["basis"], f"{path}.basis") if "basis" in raw else {},
        "retention_days": _given(raw, "retention_days", path, reader.days),
        "valid_days": _given(raw, "valid_days", path, reader.days),
        "acr": reader.one_of(raw["acr"], f"{path}.acr", assurance.LEVELS) if "acr" in raw else "",
    }
    if "limits" in raw:  # nothing stands there without, so that what was published before keeps its hash
        found["limits"] = limits(reader, raw["limits"], f"{path}.limits").document()
        if found["basis"].get("kind") == "law":
            reader.wrong(f"{path}.limits", _("limit a citizen's permission; a law needs none"))
    if not reader.mistakes and len(rfc8785.dumps(found)) > LONGEST_DECLARATION:
        reader.wrong(path, _("is too long to be published; shorten its texts"))
    return found


def limits(reader: Reader, raw: Any, path: str, *, known: Sequence[str] = LIMITS) -> Allowance:
    """Read how often and when something may be read; standing where mistakes were noted."""
    if not reader.fields(raw, path, known, optional=known):
        return allowances.STANDING
    before = len(reader.mistakes)
    if "once" in raw and (raw["once"] is not True or "reads" in raw or "per" in raw):
        reader.wrong(f"{path}.once", _("may only be true, and stands without reads and per"))
    reads = reader.count(raw["reads"], f"{path}.reads") if "reads" in raw else None
    per, per_reads, every = raw.get("per"), None, ""
    if (
        "per" in raw
        and reader.fields(per, f"{path}.per", ("reads", "every"))
        and {"reads", "every"} <= per.keys()
    ):
        per_reads = reader.count(per["reads"], f"{path}.per.reads")
        every = reader.one_of(per["every"], f"{path}.per.every", allowances.EVERY)
    first, last = (_day(reader, raw, name, path) for name in ("from", "until"))
    if first and last and first > last:
        reader.wrong(f"{path}.until", _("must not be before from"))
    if len(reader.mistakes) > before:
        return allowances.STANDING
    return Allowance(1 if "once" in raw else reads, per_reads, every, first, last)


def _day(reader: Reader, raw: Mapping[str, Any], name: str, path: str) -> date | None:
    found = reader.day(raw[name], f"{path}.{name}") if name in raw else ""
    return date.fromisoformat(found) if found else None


def _given(raw: Mapping[str, Any], name: str, path: str, read: Any) -> Any:
    return read(raw[name], f"{path}.{name}") if name in raw else None


def _attributes(reader: Reader, raw: object, path: str) -> list[dict[str, Any]]:
    if not isinstance(raw, Sequence) or isinstance(raw, str) or not raw:
        reader.wrong(path, _("must list at least one attribute"))
        return []
    found: list[dict[str, Any]] = []
    for number, item in enumerate(raw):
        where = f"{path}[{number}]"
        if not reader.fields(item, where, ("name", "required")) or not {"name", "required"} <= item.keys():
            continue
        name = reader.identifier(item["name"], f"{where}.name", ATTRIBUTE)
        if not isinstance(item["required"], bool):
            reader.wrong(f"{where}.required", _("must be true or false"))
        if name and name not in CATALOGUE:
            reader.wrong(f"{where}.name", _("is not an attribute of any register"))
        if name in [one["name"] for one in found]:
            reader.wrong(f"{where}.name", _("stands in the list twice"))
        found.append({"name": name, "required": item["required"] is True})
    return found


def _text(reader: Reader, raw: Any, path: str) -> dict[str, str]:
    if not reader.fields(raw, path, TEXTS):
        return {}
    return {
        name: reader.text(raw[name], f"{path}.{name}", longest=LONGEST_TEXT) for name in TEXTS if name in raw
    }


def _basis(reader: Reader, raw: Any, path: str) -> dict[str, Any]:
    kind = raw.get("kind") if isinstance(raw, Mapping) else None
    if not isinstance(kind, str) or kind not in BASES:
        reader.wrong(f"{path}.kind", _("must be one of: {known}").format(known=", ".join(BASES)))
        return {}
    reader.fields(raw, path, BASES[kind], optional=("deceased", "withhold"))
    if kind == "consent":
        return {"kind": "consent"}
    found: dict[str, Any] = {"kind": "law", **_law(reader, raw, path)}
    if "deceased" in raw:
        if not isinstance(raw["deceased"], bool):
            reader.wrong(f"{path}.deceased", _("must be true or false"))
        found["deceased"] = raw["deceased"] is True
    if "withhold" in raw:
        found["withhold"] = _withhold(reader, raw["withhold"], f"{path}.withhold")
    return found


def _law(reader: Reader, raw: Mapping[str, Any], path: str) -> dict[str, str]:
    names = ("act", "article", "url")
    found = {
        name: reader.text(raw[name], f"{path}.{name}", longest=LONGEST_NAME) for name in names if name in raw
    }
    if "url" in raw and not ADDRESS.fullmatch(found["url"]):
        reader.wrong(f"{path}.url", _("must be an address that begins with https://"))
    return found


def _withhold(reader: Reader, raw: Any, path: str) -> dict[str, Any]:
    """Read for how many days, and by which law, reads stay out of the history of whom they are about."""
    if not reader.fields(raw, path, ("days", "act", "article", "url")):
        return {}
    days = reader.days(raw["days"], f"{path}.days") if "days" in raw else 1
    if days > reader.longest_withheld:
        reader.wrong(f"{path}.days", _("must be at most {most}").format(most=reader.longest_withheld))
    return {"days": days, **_law(reader, raw, path)}
