"""Puts the house together: settings, database, keys, handlers, routes."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles

import admin.pages
import consent.ledger.api
import consent.pages
import idp.contacts.pages
import idp.login.pages
import idp.oidc.api
import idp.oidc.pages
import idp.oidc.registration.api
import idp.oidc.resources.api
import idp.reentry.pages
import idp.signals.api
import idp.staff.pages
import registry_sync.api
from consent import evidence
from consent.ledger import logs, openings, retention
from consent.ledger.sequencer import Sequencer
from core import pages, problems, refusals, web
from core.database import Database, Parts
from core.errors import Invalid, Problem
from core.settings import Settings
from core.web import Edge, FreshSignInNeeded, RepairOnly, SignInNeeded, repair_only, sign_in_needed
from idp import accounts, atlas
from idp.login import hashing
from idp.login.breached import listed
from idp.login.pages.browser import AccountShut, shut
from keys import rotation
from keys.custody import Custody, FolderCustody
from keys.ring import Keyring
from keys.token import TokenCustody
from service import freshness, site, staying
from service.directory import Directory
from service.handlers import HANDLERS
from service.heads import Heads
from service.metrics import Metrics

# Looked through in this order, so what systems ask for all day stands first.
ROUTERS = (
    idp.oidc.api.router,
    idp.oidc.resources.api.router,
    site.router,
    staying.router,
    idp.login.pages.router,
    idp.contacts.pages.router,
    idp.reentry.pages.router,
    idp.staff.pages.router,
    idp.oidc.pages.router,
    idp.signals.api.router,
    idp.oidc.registration.api.router,
    registry_sync.api.router,
    consent.pages.router,
    consent.ledger.api.router,
    admin.pages.router,
)


class EventSealer:
    """Seals waiting events under the key of the chain they belong to, one key for each year."""

    def seal(self, db: Session, chain: str, plaintext: bytes) -> bytes:
        """Seal an event's content."""
        return openings.seal_event(db, chain, plaintext)

    def unseal(self, db: Session, chain: str, sealed: bytes) -> bytes:
        """Open an event's content."""
        return openings.unseal(db, chain, sealed)


def custody(settings: Settings) -> Custody:
    """Return where the settings say the root of all keys is: on a token, or in the data folder."""
    if settings.pkcs11_module:
        pin = settings.pkcs11_pin.get_secret_value()
        return TokenCustody(settings.pkcs11_module, settings.pkcs11_token, pin)
    return FolderCustody(settings.data_dir / "keys")


def open_house(settings: Settings) -> Database:
    """Return the database with everything a transaction may need: keys, sealer, handlers, sequencer.

    The sequencer is not started, and the tables must be there.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    house = Parts(settings=settings, keys=Keyring(custody(settings)), sealer=EventSealer(), handlers=HANDLERS)
    database = Database(house)
    house.sequencer = Sequencer(database, check_grants=evidence.stands)
    return database


def begin(database: Database) -> None:
    """Make what the first start needs and later starts find: leaf 0 and the first signing keys.

    Raises PolicyWrong for a retention policy that cannot be read, BreachedListWrong for a list of passwords, and
    PlacesWrong for a file of places, before anything relies on them.
    """
    retention.policy(database.parts.settings)
    listed.of(database.parts.settings)
    atlas.of(database.parts.settings)
    with database.writing() as db:
        logs.opened(db)
        rotation.ensure(db)


def settle() -> None:
    """Let the garbage collector leave alone what this process was built from. For processes that stay, once they are built.

    Looking through some 200,000 modules, routes and statements that never go takes 50 ms and more each time, in which no
    thread does anything: every read that waits then waits for that.
    """
    gc.collect()
    gc.freeze()


def create_app(settings: Settings, database: Database | None = None) -> FastAPI:
    """Build the web application; nothing runs until its lifespan begins."""
    store = database or open_house(settings)
    figures = Metrics()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        begin(store)
        # Requests that wait for a password hash hold a thread; the others must not wait for them.
        to_thread.current_default_thread_limiter().total_tokens = settings.threads + hashing.at_most(settings)
        store.parts.sequencer.start()
        yield
        store.parts.sequencer.stop()
        store.close()

    app = FastAPI(title="Erti", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.settings = settings
    app.state.database = store
    app.state.metrics = figures
    app.state.acts = freshness.ACTS
    app.state.stands = accounts.stands
    app.state.refusals = refusals.Book(store, network=web.network)
    app.state.pages = pages.environment(settings)
    app.state.form_key = store.parts.keys.secret("forms")
    app.add_middleware(Edge, settings=settings, observe=figures.observe)
    app.add_middleware(Heads)
    app.add_exception_handler(SignInNeeded, sign_in_needed)
    app.add_exception_handler(FreshSignInNeeded, sign_in_needed)
    app.add_exception_handler(RepairOnly, repair_only)
    app.add_exception_handler(AccountShut, shut)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, problems.http)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(DataError, _not_valid)
    app.add_exception_handler(OperationalError, problems.away)
    app.add_exception_handler(InterfaceError, problems.away)
    app.add_exception_handler(ClientDisconnect, problems.gone)
    app.add_exception_handler(Exception, problems.unexpected)
    app.router.routes.extend(_routes())
    app.mount("/static", StaticFiles(directory=pages.STATIC_FOLDER), name="static")
    return app


def _routes() -> list[BaseRoute]:
    """Return every route, behind the directory that finds most of them without a search."""
    routes = web.together(ROUTERS).routes
    return [Directory(routes), *routes]


def _problem(request: Request, error: Exception) -> Response:
    return (
        problems.answer(request, error) if isinstance(error, Problem) else problems.unexpected(request, error)
    )


def _not_valid(request: Request, error: Exception) -> Response:
    return problems.answer(request, Invalid(detail=type(error).__name__))
