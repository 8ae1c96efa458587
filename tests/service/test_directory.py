"""Tests of the directory: it finds what the routes would find, and leaves the rest to them."""

from fastapi.routing import APIRoute
from starlette.routing import Match

from service.app import ROUTERS
from service.directory import Directory

ROUTES = [route for router in ROUTERS for route in router.routes]
DIRECTORY = Directory(ROUTES)


def first(path: str, method: str) -> object:
    """Return the route that is found when all are tried in their order."""
    scope = {"type": "http", "path": path, "method": method}
    return next((route for route in ROUTES if route.matches(scope)[0] is Match.FULL), None)


def test_what_is_found_at_once_is_what_trying_all_would_find() -> None:
    """For every path that is spelled out, and each of its methods, the directory finds the first route that takes it."""
    spelled = [route for route in ROUTES if isinstance(route, APIRoute) and not route.param_convertors]
    assert len(spelled) > 100
    for route in spelled:
        for method in route.methods:
            match, found = DIRECTORY.matches({"type": "http", "path": route.path, "method": method})
            assert match is Match.FULL
            assert found["found"] is first(route.path, method), route.path


def test_what_it_does_not_know_is_left_to_the_routes() -> None:
    """Paths with places, other methods, other paths and other protocols than HTTP are nothing to the directory."""
    for kind, path, method in (
        ("http", "/grants/1", "GET"),
        ("http", "/login", "DELETE"),
        ("http", "/login/", "GET"),
        ("websocket", "/login", "GET"),
    ):
        assert DIRECTORY.matches({"type": kind, "path": path, "method": method}) == (Match.NONE, {})
