"""Every page of the application is looked at by a browser."""

import ast
from pathlib import Path

from tests.architecture.addresses import routes
from tests.browser import seen

FOLDER = Path(seen.__file__).parent


def labels(program: str) -> set[str]:
    """Return what a test calls the pages it looks at: `look("label")`, or `look(LISTS[path])` with a list of them."""
    tree, found = ast.parse(program), set[str]()
    lists: dict[str, set[str]] = {}
    for made in tree.body:
        if isinstance(made, ast.Assign) and isinstance(made.value, ast.Dict):
            values = {str(one.value) for one in made.value.values if isinstance(one, ast.Constant)}
            lists.update({name.id: values for name in made.targets if isinstance(name, ast.Name)})
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called, first = node.func, node.args[0]
        if getattr(called, "id", "") != "look" and getattr(called, "attr", "") != "look":
            continue
        if isinstance(first, ast.Constant):
            found.add(str(first.value))
        elif isinstance(first, ast.Subscript) and isinstance(first.value, ast.Name):
            found |= lists.get(first.value.id, set())
    return found


def test_whoever_adds_a_page_of_one_thing_says_where_a_browser_looks_at_it() -> None:
    """A page without a number in its address is looked at by itself; each other one is named."""
    named = set(seen.ON_THE_WAY)
    unnamed = [path for path in seen.PAGES if "{" in path and path not in named]
    assert unnamed == [], "let a browser look at it, and name it in tests/browser/seen.py"
    assert named <= set(seen.PAGES), "what is no page any more goes from the list"
    assert set(seen.NO_PAGE) <= {route.path for route in routes()}


def test_each_look_that_is_named_is_taken() -> None:
    """The file that the list names calls axe for a page of that name."""
    untaken = []
    for path, where in seen.ON_THE_WAY.items():
        file, label = where.split(": ", 1)
        if label not in labels((FOLDER / f"{file}.py").read_text("utf-8")):
            untaken.append((path, where))
    assert untaken == []


def test_a_label_is_read_from_looks_only() -> None:
    """A string that stands elsewhere in a test is no look."""
    program = """
LISTS = {"/a": "first"}
OTHER = {"/b": "second"}
look("third", page)
axe.look("fourth", page)
look(LISTS[path])
say("fifth")
"""
    assert labels(program) == {"first", "third", "fourth"}


def test_every_room_has_its_pages() -> None:
    """The lists are made from the routes; were they empty, the browser would look at nothing and find nothing."""
    assert {"/my/sessions", "/my/sessions/secure", "/my/account"} <= set(seen.OF_ONE)
    assert {"/login", "/recover", "/activate"} <= set(seen.OPEN_TO_ALL)
    assert {"/admin", "/desk", "/admin/refusals"} <= set(seen.OF_STAFF)
