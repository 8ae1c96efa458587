from contextlib import asynccontextmanager
from fastapi import FastAPI
import idp.oidc.api, idp.oidc.pages, idp.oidc.resources.api
from consent import grants
from consent.ledger import subjects
from consent.ledger.sequencer import Sequencer
from consent.events import GrantWithdrawn
from core import pages, problems
from core.errors import Problem
from core.web import Edge, SignInNeeded, sign_in_needed
from idp.oidc import tokens
from keys import rotation


def app(settings, store):
    store.parts.sequencer = store.parts.sequencer or Sequencer(store, check_grants=grants.relied_on)

    def withdrawal(db, event, actor):
        if event.whole:
            tokens.end_for_grant(db, event.grant)

    store.parts.handlers.setdefault(GrantWithdrawn, [withdrawal])

    @asynccontextmanager
    async def lifespan(_app):
        with store.writing() as db:
            subjects.opened(db)
            rotation.ensure(db)
        store.parts.sequencer.start()
        yield
        store.parts.sequencer.stop()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.settings = settings
    app.state.database = store
    app.state.pages = pages.environment(settings)
    app.state.form_key = store.parts.keys.secret("forms")
    app.add_middleware(Edge, settings=settings, observe=lambda *a: None)
    app.add_exception_handler(SignInNeeded, sign_in_needed)
    app.add_exception_handler(Problem, problems.answer)
    for r in (idp.oidc.api.router, idp.oidc.pages.router, idp.oidc.resources.api.router):
        app.include_router(r)
    return app
