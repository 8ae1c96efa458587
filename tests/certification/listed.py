"""Which modules of the certification plans have a test of ours: plans.toml and the tests' own marks, side by side."""

import ast
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent.parent / "docs" / "certification.md"
NOTE = "<!-- Written by `make docs` from tests/certification; the tests fail when it is out of date. -->\n"


@dataclass(frozen=True)
class Bound:
    """A test that is bound to modules, and the variants that it keeps to; none for all of a plan's."""

    name: str
    variants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Module:
    """A test module of the suite. `untested` says why we have no test; `profile` names the country it is only for."""

    name: str
    checks: str
    untested: str = ""
    profile: str = ""
    tests: tuple[Bound, ...] = ()

    @property
    def excuse(self) -> str:
        """Why there is no test, in words; empty if there is no reason."""
        return f"only for {self.profile}'s profile" if self.profile else self.untested


@dataclass(frozen=True)
class Plan:
    """A certification plan: the variants that our tests go through it in, and its modules."""

    name: str
    title: str
    variants: tuple[str, ...]
    modules: tuple[str, ...]

    def tests(self, module: str) -> list[str]:
        """Return the tests that go through a module in a variant of this plan."""
        bound = modules()[module].tests
        return [one.name for one in bound if set(self.variants) & set(one.variants or self.variants)]


@cache
def plans() -> dict[str, Plan]:
    """Return the plans by name; one that is `as` another has that one's modules before its own."""
    found: dict[str, Plan] = {}
    for name, given in _read()["plans"].items():
        shared = found[given["as"]].modules if "as" in given else ()
        found[name] = Plan(
            name, given["title"], tuple(given["variants"]), (*shared, *given.get("modules", ()))
        )
    return found


@cache
def modules() -> dict[str, Module]:
    """Return every module by name, with the tests that are bound to it."""
    tests = _tests()
    return {
        name: Module(name, **given, tests=tuple(tests.get(name, ())))
        for name, given in _read()["modules"].items()
    }


def variants(names: tuple[str, ...]) -> list[str]:
    """Return the variants in which the plans go through some modules."""
    wanted = [plan for plan in plans().values() if set(names) & set(plan.modules)]
    return list(dict.fromkeys(variant for plan in wanted for variant in plan.variants))


def unknown() -> list[str]:
    """Return the names that tests are bound to and no plan has."""
    listed = {name for plan in plans().values() for name in plan.modules}
    return sorted(set(_tests()) - listed)


def page() -> str:
    """Return docs/certification.md."""
    places = [(plan, modules()[name]) for plan in plans().values() for name in plan.modules]
    tested = sum(1 for plan, one in places if plan.tests(one.name))
    foreign = sum(1 for plan, one in places if one.profile and not plan.tests(one.name))
    head = (
        f"{NOTE}\n# Certification\n\n"
        "The OpenID Foundation certifies providers by the test plans below. For each of their modules, by its\n"
        "public name, `tests/certification` holds a test of our own that sends the same requests and checks the\n"
        "same conditions against the whole application. It is no certificate: that comes of the Foundation's own\n"
        "suite, which others run.\n\n"
        f"{len(plans())} plans have {len(places)} places for {len(modules())} modules, since plans share modules. "
        f"{tested} are tested;\n{foreign} are only for the profile of another country, which Erti is not a provider "
        f"of; {len(places) - tested - foreign} are not tested for\nthe reason that stands there.\n"
    )
    return "\n".join((head, *map(_section, plans().values())))


def _section(plan: Plan) -> str:
    rows = []
    for name in plan.modules:
        shown = ", ".join(f"`{test}`" for test in plan.tests(name)) or f"none: {modules()[name].excuse}"
        rows.append(f"| `{name}` | {modules()[name].checks} | {shown} |")
    tested = sum(1 for name in plan.modules if plan.tests(name))
    return "\n".join(
        (
            f"## {plan.title}\n",
            f"`{plan.name}`: {tested} of {len(plan.modules)} modules have a test.\n",
            "| module | what it checks | test |",
            "| --- | --- | --- |",
            *rows,
            "",
        )
    )


@cache
def _read() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "plans.toml").read_text("utf-8"))


@cache
def _tests() -> dict[str, list[Bound]]:
    """Return the tests (``file::function``) by each name that a `pytest.mark.module` binds them to."""
    found: dict[str, list[Bound]] = {}
    for path in sorted(FOLDER.glob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        constants = {
            one.targets[0].id: one.value
            for one in tree.body
            if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name)
        }
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                call = mark.func if isinstance(mark, ast.Call) else None
                if isinstance(mark, ast.Call) and isinstance(call, ast.Attribute) and call.attr == "module":
                    said = [one.value for one in mark.keywords if one.arg == "variants"]
                    kept = [
                        ast.literal_eval(constants[one.id] if isinstance(one, ast.Name) else one)
                        for one in said
                    ]
                    bound = Bound(f"{path.stem}::{node.name}", tuple(kept[0]) if kept else ())
                    for name in mark.args:
                        found.setdefault(str(ast.literal_eval(name)), []).append(bound)
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
