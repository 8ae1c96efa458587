"""The house rules that no linter knows (DESIGN 3 and 4); each says where it is broken."""

import ast
import re
from pathlib import Path

from tests.architecture import house

LONGEST_FILE = 400
LONGEST_TEST_FILE = 500
ONE_FILE = "verifier/erti_verify.py"  # a citizen downloads it alone, so it is one file and explains itself
LONGEST_FUNCTION = 60
MOST_POSITIONAL = 6
CORE = {
    "settings", "clock", "errors", "database", "events", "sessions", "limits", "outbound", "language", "web",
    "forms", "pages", "problems", "refusals", "__init__",
}  # fmt: skip
SPEAKS_HTTP = re.compile(
    r"(^|/)(pages|api)(/|\.py$)|^core/(problems|web|forms|pages|outbound)\.py$|^service/|^verifier/"
)
VAGUE = re.compile(r"(^|_)(utils?|helpers?|common|managers?|misc|base|schemas?)$")


def test_only_the_edge_commits() -> None:
    """Nobody commits but `database.writing()`: no other module calls `.commit()`."""
    others = [path for path in house.modules() if house.name(path) != "core/database.py"]
    assert not house.places(
        others,
        lambda node: (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("commit", "begin_nested")
        ),
    )


def test_one_clock() -> None:
    """Only `core.clock` asks the machine what time it is."""
    asks = {
        "datetime.now",
        "datetime.utcnow",
        "datetime.datetime.now",
        "date.today",
        "time.time",
        "time.time_ns",
    }
    others = [path for path in house.files(*house.PACKAGES) if house.name(path) != "core/clock.py"]
    others = [path for path in others if not house.name(path).startswith("verifier/")]
    assert not house.places(
        others, lambda node: isinstance(node, ast.Attribute) and house.dotted(node) in asks
    )


def test_status_numbers_stay_at_the_edge() -> None:
    """HTTP status numbers stand in problems, pages, api and what serves them, nowhere else."""
    inner = [path for path in house.modules() if not SPEAKS_HTTP.search(house.name(path))]
    assert not house.places(
        inner,
        lambda node: (
            isinstance(node, ast.keyword)
            and node.arg in ("status_code", "status")
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, int)
        ),
    )


def test_each_module_says_in_one_line_what_it_owns() -> None:
    """Every module opens with a docstring of one line; a program's may go on to say how it is used."""
    silent = [
        house.name(path)
        for path in house.modules() + house.files(*house.PROGRAMS)
        if path.read_text(encoding="utf-8").strip() or path.name != "__init__.py"
        if not (text := ast.get_docstring(house.tree(path)))
        or ("\n" in text and not house.name(path).startswith(("verifier/", "examples/")))
    ]
    assert not silent


def test_each_test_says_what_it_shows() -> None:
    """Every test has a sentence, and it ends like one."""
    silent = [
        f"{house.name(path)}::{function.name}"
        for path in house.tests()
        for function in house.functions(path)
        if function.name.startswith("test_")
        if not (ast.get_docstring(function) or "").split("\n\n")[0].endswith(".")
    ]
    assert not silent


def test_files_are_short() -> None:
    """No file of ours has more than 400 lines, none of tests more than 500."""
    every = house.modules() + house.files(*house.PROGRAMS) + house.tests()
    lengths = {house.name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in every}
    lengths = {
        name: lines - (LONGEST_TEST_FILE - LONGEST_FILE if name.startswith("tests/") else 0)
        for name, lines in lengths.items()
    }
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE and name != ONE_FILE}


def test_functions_are_short() -> None:
    """No function of ours has more than 60 lines."""
    lengths = {
        f"{house.name(path)}:{function.lineno} {function.name}": (function.end_lineno or 0)
        - function.lineno
        + 1
        for path in house.modules() + house.files(*house.PROGRAMS)
        for function in house.functions(path)
    }
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION}


def test_few_positional_arguments() -> None:
    """What a function takes by position can be remembered: six at most, the rest is named."""
    crowded = [
        f"{house.name(path)}:{function.lineno} {function.name}"
        for path in house.modules()
        if not SPEAKS_HTTP.search(house.name(path))
        for function in house.functions(path)
        if len(function.args.posonlyargs) + len(function.args.args) > MOST_POSITIONAL + 1
    ]
    assert not crowded


def test_imports_stand_at_the_top() -> None:
    """No function imports anything, so what a module needs is seen in its first lines."""
    late = [
        f"{house.name(path)}:{node.lineno}"
        for path in house.modules()
        for function in house.functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not late


def test_modules_have_names_that_say_something() -> None:
    """No module is called utils, helpers, common, managers or schemas."""
    assert not [house.name(path) for path in house.modules() if VAGUE.search(path.stem)]


def test_core_is_a_closed_list() -> None:
    """`core` holds what DESIGN 3 lists: a new module there is a decision, made here."""
    assert {path.stem for path in house.files("core")} == CORE


def test_nobody_reaches_through_the_door() -> None:
    """Attribute values are not fetched by way of the door's own import of them."""
    assert not house.places(
        house.files(*house.PACKAGES, *house.PROGRAMS),
        lambda node: (
            (isinstance(node, ast.Attribute) and house.dotted(node).endswith("disclosure.attributes"))
            or (
                isinstance(node, ast.ImportFrom)
                and node.module == "consent.disclosure"
                and any(alias.name == "attributes" for alias in node.names)
            )
        ),
    )


def test_no_page_gets_at_a_store_that_is_not_bound() -> None:
    """Pages take the store from `core.web`, which binds it to the session of who asks; answers to clients need nobody's."""
    unbound = {"core/web.py", "idp/oidc/pages/sending.py"}
    assert not house.places(
        [path for path in house.files(*set(house.PACKAGES) - {"service"}) if house.name(path) not in unbound],
        lambda node: isinstance(node, ast.Attribute) and house.dotted(node).endswith("state.database"),
    )


def test_nothing_is_caught_that_was_not_foreseen() -> None:
    """No `except:` and no `except Exception` hides an error nobody thought of; one function makes a value of it."""
    wide = {"Exception", "BaseException"}
    assert not house.places(
        [path for path in house.files(*house.PACKAGES) if path.parts[-2:] != ("ledger", "attempts.py")],
        lambda node: (
            isinstance(node, ast.ExceptHandler)
            and (node.type is None or house.dotted(node.type) in wide)
            and not any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
        ),
    )


def test_no_test_mocks_our_own_code() -> None:
    """Tests use the real database, the real keys, the real service: nothing is imported from unittest.mock."""
    assert not house.places(
        house.files("tests"),
        lambda node: (
            (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unittest.mock"))
            or (isinstance(node, ast.Import) and any(alias.name == "unittest.mock" for alias in node.names))
        ),
    )


def test_no_test_leans_on_another_file_of_tests() -> None:
    """What several files of tests need stands in a module of its own, so that each can be read and changed alone."""
    assert not house.places(
        house.files("tests"),
        lambda node: any(
            part.startswith("test_")
            for module in house.imported(node)
            for part in (*module.split("."), *(alias.name for alias in getattr(node, "names", ())))
            if module.split(".")[0] == "tests"
        ),
    )


def test_tests_share_one_browser_and_bring_their_own_loops() -> None:
    """A process has one Playwright, whose event loop stays in the thread of all tests; coroutines run apart from it."""
    owners = {
        house.ROOT / "tests/conftest.py": "sync_playwright(",
        house.ROOT / "tests/apart.py": "asyncio.run(",
    }
    for path in house.files("tests"):
        text = path.read_text(encoding="utf-8")
        for owner, call in owners.items():
            assert path in (owner, Path(__file__)) or call not in text, f"{house.name(path)}: {call}"


def test_nothing_is_left_open_without_an_issue() -> None:
    """What is still to do names the issue that holds it."""
    mark = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b(?!.*#\d)")
    open_ends = [
        f"{house.name(path)}:{number}"
        for path in house.files(*house.PACKAGES, *house.PROGRAMS, "tests")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if mark.search(line)
    ]
    assert not open_ends


def test_shapes_are_met_at_import() -> None:
    """No thread is the first to meet a msgspec Struct: two at once crash version 0.22, and the process with it.

    So decoders are made at the top of their module, and `decode` is given no class of ours.
    """
    assert not house.places(
        house.modules(),
        lambda node: (
            isinstance(node, ast.Call)
            and house.dotted(node.func) == "msgspec.json.decode"
            and any(word.arg == "type" and isinstance(word.value, ast.Name) for word in node.keywords)
        ),
    )
