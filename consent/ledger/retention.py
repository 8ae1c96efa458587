"""How long entries must be kept, and when they are erased by themselves: the policy, and what it says of a year."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from consent.ledger.errors import PolicyWrong
from core.settings import Settings

MOST_YEARS: Final = 200
MOST_RULES: Final = 500
MOST_BYTES: Final = 200_000
_FIELDS = {"kind", "basis", "keep_years", "erase_after_years"}


@dataclass(frozen=True)
class Rule:
    """Entries of a kind and a basis, every one if empty, counted from the end of the year in which they happened.

    They are kept for `keep_years` whatever their citizen wishes (Art. 17(3)(b) GDPR), and erased by themselves after
    `erase_after_years`; never if that is 0.
    """

    kind: str
    basis: str
    keep_years: int
    erase_after_years: int

    def fits(self, kind: str, basis: str) -> bool:
        """Tell whether the rule is about an entry."""
        return self.kind in ("", kind) and self.basis in ("", basis)


@dataclass(frozen=True)
class Policy:
    """Rules in order: the first that fits an entry counts. The last one fits every entry."""

    rules: tuple[Rule, ...]

    def of(self, kind: str | None, basis: str | None) -> Rule:
        """Return the rule for an entry."""
        return next(rule for rule in self.rules if rule.fits(kind or "", basis or ""))

    def free_from(self, year: int, entries: Iterable[tuple[str | None, str | None]]) -> datetime:
        """Return from when entries of a year, given by kind and basis, need not be kept any more."""
        return _after(year, max((self.of(*one).keep_years for one in entries), default=0))

    def due(self, year: int, kind: str | None, basis: str | None, at: datetime) -> bool:
        """Tell whether an entry of a year is to be erased by itself."""
        years = self.of(kind, basis).erase_after_years
        return years > 0 and at >= _after(year, years)

    def last_due_year(self, at: datetime) -> int | None:
        """Return the last year of which anything can be due; None if nothing ever is."""
        terms = [rule.erase_after_years for rule in self.rules if rule.erase_after_years]
        return at.year - 1 - min(terms) if terms else None


# Claims for damages against an authority commonly end three years after they are known and ten after the act:
# reads by law and by staff are what they rest on. A country puts its own law in the file.
STANDARD: Final = Policy(
    (
        Rule("", "law", keep_years=6, erase_after_years=10),
        Rule("", "staff", keep_years=6, erase_after_years=10),
        Rule("", "", keep_years=3, erase_after_years=10),
    )
)


def policy(settings: Settings) -> Policy:
    """Return the policy of the settings' file, or STANDARD. Raises PolicyWrong."""
    file = settings.retention_file
    if file is None:
        return STANDARD
    try:
        return _read(file, file.stat().st_mtime_ns)
    except OSError as error:
        raise PolicyWrong(detail=f"{file}: {error.strerror}") from error


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> Policy:
    content = path.read_bytes()
    if len(content) > MOST_BYTES:
        raise PolicyWrong(detail=f"{path.name} is longer than {MOST_BYTES} bytes")
    return parse(content)


def parse(content: bytes) -> Policy:
    """Return the policy that a TOML file states: a table `default` and any number of `[[rule]]`. Raises PolicyWrong.

    Each has `keep_years` and `erase_after_years`, each rule `kind`, `basis` or both.
    """
    try:
        said = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PolicyWrong(detail=f"not TOML: {error}") from error
    if unknown := said.keys() - {"default", "rule"}:
        raise PolicyWrong(detail=f"unknown: {', '.join(sorted(unknown))}")
    rules, default = said.get("rule", []), said.get("default")
    if not isinstance(rules, list) or len(rules) > MOST_RULES or not isinstance(default, dict):
        raise PolicyWrong(detail="it needs a table [default], and each rule stands in a [[rule]]")
    found = [_rule(one, f"rule {number}") for number, one in enumerate(rules, start=1)]
    if vague := next((number for number, rule in enumerate(found, start=1) if not rule.kind + rule.basis), 0):
        raise PolicyWrong(detail=f"rule {vague}: it names neither a kind nor a basis")
    last = _rule(default, "default")
    if last.kind or last.basis:
        raise PolicyWrong(detail="default: it is for every kind and basis")
    return Policy((*found, last))


def _rule(said: Any, where: str) -> Rule:
    if not isinstance(said, dict) or (unknown := said.keys() - _FIELDS):
        raise PolicyWrong(
            detail=f"{where}: unknown {', '.join(sorted(unknown)) if isinstance(said, dict) else 'content'}"
        )
    kind, basis = said.get("kind", ""), said.get("basis", "")
    if not isinstance(kind, str) or not isinstance(basis, str):
        raise PolicyWrong(detail=f"{where}: kind and basis are texts")
    keep, erase = _years(said, "keep_years", where), _years(said, "erase_after_years", where)
    if erase and erase < keep:
        raise PolicyWrong(detail=f"{where}: it would erase before the end of the time for which it keeps")
    return Rule(kind, basis, keep, erase)


def _years(said: Mapping[str, Any], name: str, where: str) -> int:
    years = said.get(name)
    if not isinstance(years, int) or isinstance(years, bool) or not 0 <= years <= MOST_YEARS:
        raise PolicyWrong(detail=f"{where}: {name} is a number of years, 0 to {MOST_YEARS}")
    return years


def _after(year: int, years: int) -> datetime:
    return datetime(year + 1 + years, 1, 1, tzinfo=UTC)
