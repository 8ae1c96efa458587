"""The room of the history: its entries, newest first, one of them by itself, and who looked when as a picture."""

from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from consent import disputes, history, picture, showing, withholding, words
from consent.ledger import signer
from consent.pages.filters import Asked
from core import pages
from core.web import Citizen, Db

router = APIRouter(prefix="/my")


@router.get("/history")
def entries(request: Request, database: Db, me: Citizen, asked: Asked, page: int = 1) -> Response:
    """Show everything that happened, newest first; narrowed by what the address asks for."""
    settled = history.settle(database, me.subject)
    with database.reading() as db:
        listed, count = history.entries(db, me.subject, page=page, only=asked.only)
        choices = history.choices(db, me.subject)
        standing = history.standing(db, me.subject)
        disputed = disputes.of_entries(db, me.subject, [one.event_id for one in listed])
        fingerprint = signer.policy_fingerprint(db)
        withheld = next(iter(withholding.published(db, most=1)), None)
    return pages.render(
        request,
        "consent/history.html",
        status=400 if asked.errors else 200,
        section="history",
        entries=listed,
        disputed=disputed,
        page=min(max(page, 1), count),
        count=count,
        chosen=asked.typed,
        errors=asked.errors,
        query=urlencode(asked.only.fields),
        choices=choices,
        groups={name: str(text) for name, text in words.GROUPS.items()},
        bases={name: str(text) for name, text in words.BASES.items()},
        outcomes={name: str(text) for name, text in words.OUTCOMES.items()},
        standing=standing,
        settled=settled,
        fingerprint=fingerprint,
        withheld=withheld,
        month_name=showing.day,
    )


@router.get("/history/entry/{event_id}")
def entry(request: Request, database: Db, me: Citizen, event_id: str) -> Response:
    """Show one entry by its reference, and what can be done about it."""
    history.settle(database, me.subject)
    with database.reading() as db:
        found = history.one(db, me.subject, event_id)
        dispute = disputes.of_entries(db, me.subject, [event_id]).get(event_id)
    return pages.render(
        request, "consent/entry.html", section="history", one=found, dispute=dispute, groups=words.GROUPS
    )


@router.get("/history/picture")
def looks(request: Request, database: Db, me: Citizen, until: str = "") -> Response:
    """Show who looked in which month: drawn, and the same in a table."""
    history.settle(database, me.subject)
    with database.reading() as db:
        shown = picture.of(db, me.subject, until=until)
    return pages.render(
        request,
        "consent/picture.html",
        section="history",
        picture=shown,
        month_name=showing.day,
        initial=showing.narrow_month,
    )
