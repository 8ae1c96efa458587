"""Write docs/settings.md, docs/events.md and docs/errors.md from the code, or check that they are current."""

import dataclasses
import importlib
import inspect
import pkgutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from core.errors import Conflict, Invalid, Missing, Problem, Refused, TooMany
from core.events import Event
from core.settings import Settings

ROOT = Path(__file__).parent.parent
PACKAGES = ("core", "keys", "registry_sync", "consent", "idp", "admin", "service")
KINDS: dict[type[Problem], str] = {
    Invalid: "400 Invalid",
    Refused: "403 Refused",
    Missing: "404 Missing",
    Conflict: "409 Conflict",
    TooMany: "429 TooMany (503 when the service as a whole is overloaded)",
}
NOTE = "<!-- Written by `make docs` from the code; `make check` fails when it is out of date. -->\n"


def main(arguments: list[str]) -> int:
    """Write the three pages, or with `--check` compare them; returns the exit code."""
    load_everything()
    pages = {"settings.md": settings_page(), "events.md": events_page(), "errors.md": errors_page()}
    folder = ROOT / "docs"
    if "--check" in arguments:
        old = [name for name, text in pages.items() if _read(folder / name) != text]
        if old:
            print(f"out of date: docs/{', docs/'.join(old)}. Run `make docs` and commit the result.")
        return 1 if old else 0
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


def load_everything() -> None:
    """Import every module of the house, so that every subclass is known."""
    for package in PACKAGES:
        if not (ROOT / package / "__init__.py").exists():
            continue
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if "migrations" not in found.name and not found.name.endswith("__main__"):
                importlib.import_module(found.name)


def settings_page() -> str:
    """Return docs/settings.md: one row for each field of Settings."""
    rows = [
        (
            f"`ERTI_{name.upper()}`",
            f"`{name}`",
            _kind(field.annotation),
            _default(field.default),
            field.description,
        )
        for name, field in Settings.model_fields.items()
    ]
    return _page(
        "Settings",
        "Each is read from its variable, else from the TOML file that `ERTI_CONFIG` names, else it is the\n"
        "default. Lists are written with commas in a variable: `one,two`. `erti check` says which of yours are unsafe.",
        _table(("variable", "in TOML", "kind", "default", "what it is"), rows),
    )


def events_page() -> str:
    """Return docs/events.md: each Event subclass with its sentence and its fields."""
    parts = []
    for package, events in _by_package(Event):
        parts.append(f"## {package}\n")
        for event in events:
            public = (
                " Public: it becomes a record in the ledger that anyone can read." if event.public else ""
            )
            text = f"### {event.kind}\n\n{_doc(event)}{public}\n"
            hints = get_type_hints(event)
            fields = [(f"`{field.name}`", _kind(hints[field.name])) for field in dataclasses.fields(event)]
            parts.append(text + ("\n" + _table(("field", "kind"), fields) if fields else ""))
    return _page(
        "Events",
        "Everything that changes is announced by one call, `core.events.record`, in the transaction that\n"
        "changes it. The same event feeds the ledger, the handlers in `service/handlers.py` and the notices\n"
        "to agencies. No event holds an attribute's value.",
        "\n".join(parts),
    )


def errors_page() -> str:
    """Return docs/errors.md: each error code with the HTTP status and what people are told."""
    parts = []
    for package, problems in _by_package(Problem):
        parts.append(f"## {package}\n")
        rows = [(f"`{kind.code}`", _status(kind), str(kind.text), _doc(kind, Problem)) for kind in problems]
        parts.append(_table(("code", "status", "what is said", "when"), rows))
    return _page(
        "Errors",
        "Programs get RFC 9457 problem details whose `type` is `urn:erti:problem:` and the code; people get a\n"
        "page with the same text. OAuth endpoints answer with the standard's own errors instead. `reference`\n"
        "is what to quote to support: it stands in the log beside the detail that is not shown.",
        "\n".join(parts),
    )


def subclasses(base: type[Any]) -> list[type[Any]]:
    """Return every subclass of a class in our own packages, each once."""
    found: dict[str, type[Any]] = {}
    for kind in base.__subclasses__():
        for each in (kind, *subclasses(kind)):
            if each.__module__.split(".")[0] in PACKAGES:
                found[f"{each.__module__}.{each.__qualname__}"] = each
    return list(found.values())


def _by_package(base: type[Any]) -> Iterator[tuple[str, list[type[Any]]]]:
    everything = subclasses(base)
    for package in PACKAGES:
        ours = [kind for kind in everything if kind.__module__.split(".")[0] == package]
        if ours:
            yield (
                package,
                sorted(ours, key=lambda kind: str(getattr(kind, "kind", getattr(kind, "code", "")))),
            )


def _status(problem: type[Problem]) -> str:
    return next((text for kind, text in KINDS.items() if issubclass(problem, kind)), "500")


def _doc(kind: type[Any], *inherited_from: type[Any]) -> str:
    own = kind.__doc__ if "__doc__" in vars(kind) else None
    text = inspect.cleandoc(own or "").partition("\n\n")[0]
    return " ".join(text.split())


def _default(value: object) -> str:
    if repr(value) == "PydanticUndefined":
        return "none: must be given"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value) or "empty"
    return "empty" if value in ("", None) else f"`{value}`"


def _kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin in (Union, types.UnionType):
        rest = [_kind(each) for each in arguments if each is not type(None)]
        return " or ".join(rest) + (", optional" if type(None) in arguments else "")
    if origin in (tuple, list, set, frozenset):
        return f"list of {_kind(arguments[0])}"
    if origin is dict:
        return f"map of {_kind(arguments[0])} to {_kind(arguments[1])}"
    if origin is not None:
        return " or ".join(f"`{each}`" for each in arguments)
    names = {
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
        "datetime": "moment",
    }
    name = getattr(annotation, "__name__", str(annotation))
    return names.get(name, name.lower())


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def _page(title: str, opening: str, content: str) -> str:
    return f"# {title}\n\n{NOTE}\n{opening}\n\n{content}"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
