"""Which requirements of two standards Erti meets, by which code and which test: the lists beside this file, and their pages."""

import ast
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests import named

FOLDER = Path(__file__).parent
ROOT = named.TESTS.parent
NOTE = (
    "<!-- Written by `make docs` from tests/assurance_lists; `make check` fails when it is out of date. -->\n"
)
MET, READ, GAP, ELSEWHERE = "met, a test shows it", "met, seen by reading", "gap", "does not apply"
STATES = (MET, READ, GAP, ELSEWHERE)


@dataclass(frozen=True)
class Requirement:
    """One requirement in our words. `how` it is met, or the `gap` and what closes it, or why it does `not_apply`.

    `code` names modules, what they define, or files; `tests` name tests as the pages of `docs` do.
    """

    id: str
    level: str
    asks: str
    how: str = ""
    gap: str = ""
    not_apply: str = ""
    code: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """Return which of STATES it is in."""
        if self.not_apply:
            return ELSEWHERE
        if self.gap:
            return GAP
        return MET if self.tests else READ

    @property
    def mistakes(self) -> list[str]:
        """Return what is wrong with this line of the list."""
        found = [f"no {name}" for name in self.code if not there(name)]
        found += named.missing(_pair(name) for name in self.tests)
        if sum(map(bool, (self.how, self.gap, self.not_apply))) != 1:
            found.append("says not one of: how, gap, not_apply")
        if self.how and not self.code:
            found.append("names no code")
        if self.not_apply and (self.code or self.tests):
            found.append("does not apply, and yet names code or tests")
        return [f"{self.id}: {mistake}" for mistake in found]


@dataclass(frozen=True)
class Standard:
    """A standard and the chapters of its list, each with its title and requirements."""

    page: Path
    title: str
    about: str
    levels: tuple[str, ...]
    chapters: dict[str, list[Requirement]]

    @property
    def requirements(self) -> list[Requirement]:
        """Return every requirement, in the standard's order."""
        return [one for chapter in self.chapters.values() for one in chapter]

    def text(self) -> str:
        """Return the page."""
        gaps = [one for level in self.levels for one in self.requirements if _open(one, level)]
        return "\n".join(
            (
                f"{NOTE}\n# {self.title}\n\n{self.about.strip()}\n",
                *self._figures(),
                f"## Gaps\n\n{len(gaps)} requirements are not met, or not whole:\n",
                "| requirement | level | asks | what is missing, and what would close it | what there is |",
                "| --- | --- | --- | --- | --- |",
                *(f"| {one.id} | {one.level} | {one.asks} | {one.gap} | {_shown(one)} |" for one in gaps),
                "",
                *(line for title, chapter in self.chapters.items() for line in _chapter(title, chapter)),
            )
        )

    def _figures(self) -> list[str]:
        rows = [
            [
                level,
                *(
                    sum(one.level == level and one.state == state for one in self.requirements)
                    for state in STATES
                ),
            ]
            for level in self.levels
        ]
        return [
            f"| level | {' | '.join(STATES)} |",
            "| --- | --- | --- | --- | --- |",
            *(f"| {' | '.join(map(str, row))} |" for row in rows),
            "",
        ]


@cache
def standards() -> tuple[Standard, ...]:
    """Return both standards with their lists."""
    return tuple(map(_standard, ("asvs", "nist")))


def there(name: str) -> bool:
    """Tell whether a file, a module, or what a module defines (``core.web.Edge``) is there."""
    if "/" in name or (ROOT / name).is_file():
        return (ROOT / name).exists()
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        stem = ROOT.joinpath(*parts[:end])
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                return set(parts[end:]) <= _defined(path)
    return False


@cache
def _defined(path: Path) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {
                one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)
            }
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return frozenset(found)


def _standard(name: str) -> Standard:
    content: dict[str, Any] = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
    about = content.pop("about")
    chapters = {
        title: [_requirement(key, **given) for key, given in chapter.items()]
        for title, chapter in content.items()
    }
    return Standard(
        ROOT / "docs" / about["page"], about["title"], about["text"], tuple(about["levels"]), chapters
    )


def _requirement(
    key: str, *, code: list[str] | None = None, tests: list[str] | None = None, **said: str
) -> Requirement:
    return Requirement(key, code=tuple(code or ()), tests=tuple(tests or ()), **said)


def _pair(name: str) -> tuple[str, str]:
    file, _colons, function = name.partition("::")
    return file, function


def _open(one: Requirement, level: str) -> bool:
    return one.state == GAP and one.level == level


def _chapter(title: str, chapter: list[Requirement]) -> list[str]:
    rows = []
    for one in chapter:
        if one.not_apply:
            said = f"Does not apply: {one.not_apply}"
        else:
            said = one.how or "**Gap**, see above."
        rows.append(f"| {one.id} | {one.level} | {one.asks} | {said} | {'' if one.gap else _shown(one)} |")
    head = (
        "| requirement | level | asks | how it is met | where, and shown by |",
        "| --- | --- | --- | --- | --- |",
    )
    return [f"## {title}\n", *head, *rows, ""]


def _shown(one: Requirement) -> str:
    return ", ".join(f"`{name}`" for name in (*one.code, *one.tests))


if __name__ == "__main__":
    for each in standards():
        each.page.write_text(each.text(), "utf-8")
