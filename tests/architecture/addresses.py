"""Every route of the application, and what is asked before it."""

from collections.abc import Callable, Iterator
from typing import Any

from core import web
from service.app import ROUTERS

# What somebody who came in with a recovery code alone gets to: nothing of it shows a value or the history.
FOR_REPAIR = {
    "/my/account",
    "/my/account/passkeys/new",
    "/my/account/passkeys",
    "/my/account/password",
    "/my/account/app",
    "/my/account/confirm",
    "/my/account/confirm/send",
}
GUARDS = {web._citizen, web._owner, web._staff}


def routes(routers: Any = ROUTERS) -> Iterator[Any]:
    """Give every route of the application, those of included routers too."""
    for router in routers:
        for route in router.routes:
            included = getattr(route, "original_router", None)
            yield from routes([included]) if included else [route]


def asked(dependant: Any) -> set[Callable[..., Any]]:
    """Return everything that is called before a route."""
    return {
        call for inner in dependant.dependencies for call in (inner.call, *asked(inner)) if call is not None
    }
