"""Finds the route of a request whose path is spelled out, without trying all others."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send


class Directory(BaseRoute):
    """Stands before the routes it was made of, and takes what one of them takes by a path without places in it.

    What it does not find is left to them: paths with places, other methods, paths that are not there.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._by_path: dict[str, list[Route]] = {}
        for route in routes:
            if isinstance(route, Route) and not route.param_convertors:
                self._by_path.setdefault(route.path, []).append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return what the route says that takes this method at this path, or that there is none."""
        for route in self._by_path.get(scope["path"], ()) if scope["type"] == "http" else ():
            match, found = route.matches(scope)
            if match is Match.FULL:
                return match, {**found, "found": route}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the route answer that was found."""
        await scope["found"].handle(scope, receive, send)
