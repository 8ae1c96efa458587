"""The citizen's front room: who one is here, what the registers say, who looked last."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from consent import disclosure, disputes, history, sharing, showing
from consent.disclosure import Envelope
from consent.history import Filter
from core import pages
from core.language import _
from core.web import Citizen, Db, Form, see_other
from registry_sync import people
from registry_sync.catalogue import SOURCES

router = APIRouter(prefix="/my")
LATEST = 3


@router.get("")
def overview(request: Request, database: Db, me: Citizen) -> Response:
    """Show where everything is: who one is here, what is shared, who looked last."""
    history.settle(database, me.subject)
    with database.reading() as db:
        names = disclosure.own(db, me.subject, ("name", "given_name"))
        looks, _pages = history.entries(db, me.subject, only=Filter(group="reads"), size=LATEST)
        live = [one for one in sharing.of(db, me.subject) if one.grant.is_live]
        standing = history.standing(db, me.subject)
        disputed = disputes.of(db, me.subject)
        former = disclosure.former_name(db, me.subject)
    called = names.get("name") or names.get("given_name")
    return pages.render(
        request,
        "consent/my.html",
        name=str(called.value) if called else "",
        former=former,
        register=showing.source(former.source) if former else "",
        since=showing.day(former.as_of) if former else "",
        citizen=people.grouped(me.subject),
        looks=looks,
        live=live,
        standing=standing,
        disputed={one.event_id: one for one in disputed},
        open_disputes=sum(one.is_open for one in disputed),
        answered_disputes=sum(not one.is_open for one in disputed),
    )


@router.post("/name/read")
def name_read(database: Db, me: Citizen, _form: Form) -> Response:
    """Note that the citizen has read of their new name; the one before is forgotten."""
    with database.writing() as db:
        people.read_of_name(db, me.subject)
    return see_other("/my")


@router.get("/data")
def data(request: Request, database: Db, me: Citizen) -> Response:
    """Show every value that the registers hold, by register, with the day it is as of."""
    with database.reading() as db:
        values = disclosure.own(db, me.subject, disclosure.CATALOGUE)
    return pages.render(
        request,
        "consent/data.html",
        section="data",
        citizen=people.grouped(me.subject),
        registers=[
            (showing.source(source), _rows(values, source))
            for source in SOURCES
            if any(one.source == source for one in values.values())
        ],
    )


def _rows(values: dict[str, Envelope], source: str) -> list[tuple[str, str, str]]:
    return [
        (
            showing.label(name),
            showing.value(name, values[name].value),
            str(_("as of {day}").format(day=showing.day(values[name].as_of))),
        )
        for name in disclosure.CATALOGUE
        if name in values and values[name].source == source
    ]
