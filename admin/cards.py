"""Cards at the desk: a clerk begins one, the citizen chooses the PIN on the pad, the clerk prints it once; lost ones are blocked."""

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin import approvals, company, themself
from admin.frame import show
from admin.permissions import BlocksCards, IssuesCards, Official
from consent import guardians
from consent.cards import CALLED, DOCUMENTS
from core import clock, limits
from core.database import Database
from core.errors import TooMany
from core.language import Lazy, _
from core.web import Db, Form, see_other
from idp.errors import OrderOver
from idp.login import card, children, counter, pads
from idp.login.card import Word
from idp.login.children import Presence
from idp.login.counter import Order
from registry_sync import people

router = APIRouter(prefix="/desk/cards")
CARDS_AN_HOUR = 12
BLOCKS_AN_HOUR = 6
LONGEST_OFFICE, LONGEST_REASON = 120, 300
BLOCK_FIELDS = ("citizen", "document", "why")
BLOCK_DOCUMENTS = {**DOCUMENTS, CALLED: _("none: they called by telephone")}


@router.get("")
def begin(request: Request, official: IssuesCards) -> Response:
    """Show the form on which a card is begun."""
    return _form(request, official, typed={"citizen": "", "office": "", "document": ""}, errors={})


@router.post("")
def order(request: Request, database: Db, official: IssuesCards, form: Form) -> Response:
    """Begin to make a card. What is answered does not tell whether there is such a citizen."""
    typed = {name: form.get(name) for name in ("citizen", "office", "document")}
    citizen = people.compact(typed["citizen"])
    errors = _mistakes(typed, citizen)
    if errors or citizen is None:
        return _form(request, official, typed=typed, errors=errors)
    _throttle(database, "card.order", official, most=CARDS_AN_HOUR)
    with database.writing() as db:
        themself.refuse(db, official, citizen)
        made = counter.begin(
            db,
            clerk=official.id,
            office=typed["office"],
            citizen=citizen,
            document=typed["document"],
            actor=official.actor,
        )
    return see_other(f"/desk/cards/{made.id}")


@router.get("/block")
def ask_block(request: Request, official: BlocksCards) -> Response:
    """Show the form on which a lost card is blocked."""
    return _block_page(request, official)


@router.post("/block")
def block(request: Request, database: Db, official: BlocksCards, form: Form) -> Response:
    """Block somebody's lost card; what is answered does not tell whether there was one."""
    typed = {name: form.get(name) for name in BLOCK_FIELDS}
    citizen = people.compact(typed["citizen"])
    errors: dict[str, Lazy] = {} if citizen else {"citizen": NO_CITIZEN}
    if typed["document"] not in BLOCK_DOCUMENTS:
        errors["document"] = _("Say which document you looked at.")
    if not 0 < len(typed["why"]) <= LONGEST_REASON or not typed["why"].isprintable():
        errors["why"] = _("Say why, in a few words: the citizen reads it.")
    if errors or citizen is None:
        return _block_page(request, official, typed, errors=errors)
    _throttle(database, "card.block", official, most=BLOCKS_AN_HOUR)
    word = Word(official.id, typed["document"], typed["why"])
    with database.writing() as db:
        card.block(db, citizen, reason=card.LOST, actor=official.actor, word=word)
    return _block_page(request, official, done=people.grouped(citizen))


@router.get("/{order_id}")
def follow(request: Request, database: Db, official: IssuesCards, order_id: str) -> Response:
    """Show how a card stands: the code for the pad, or that it can be printed."""
    with database.reading() as db:
        found = counter.of_clerk(db, order_id, clerk=official.id)
    return _order_page(request, database, official, found, typed={}, errors={})


@router.post("/{order_id}/print")
def print_card(request: Request, database: Db, official: IssuesCards, form: Form, order_id: str) -> Response:
    """Make the card and show it, this once; for a child with a parent or guardian at the desk."""
    typed = {name: form.get(name) for name in company.FIELDS}
    who = people.compact(typed["representative"]) or ""
    with database.reading() as db:
        found = counter.of_clerk(db, order_id, clerk=official.id)
        why = children.bar(db, found.citizen, Presence(representative=who))
        child = guardians.is_minor(db, found.citizen)
    errors = {"representative": why.text} if why else company.mistakes(typed) if child and who else {}
    if errors and found.state == counter.READY:
        return _order_page(request, database, official, found, typed=typed, errors=errors)
    with database.writing() as db:
        themself.refuse(db, official, found.citizen)
        found, printed = counter.complete(
            db,
            order_id,
            clerk=official.id,
            actor=official.actor,
            representative=who,
            document=typed["their-document"],
        )
        made = card.of(db, found.citizen)
    return show(
        request,
        official,
        "card_printed.html",
        section="cards",
        order=found,
        waits=made.id if made and made.held_by else "",
        printed=printed,
        citizen=people.grouped(found.citizen),
        issued=clock.now(),
    )


@router.post("/{order_id}/vouch")
def vouch(database: Db, official: IssuesCards, form: Form, order_id: str) -> Response:
    """Ask a second official, who looks at the person as well, to let the card of an account that was in use begin at once."""
    with database.writing() as db:
        found = counter.of_clerk(db, order_id, clerk=official.id)
        made = card.of(db, found.citizen)
        mine = made is not None and made.id == form.get("card") and made.held_by
        if found.state != counter.PRINTED or made is None or not mine:
            raise OrderOver
        subject = {"citizen": found.citizen, "card": made.id}
        seen = f"{found.office}: {DOCUMENTS[found.document]}"
        approvals.ask(db, approvals.VOUCH, subject, reason=seen, official=official)
    return see_other("/admin/approvals")


@router.post("/{order_id}/close")
def close(database: Db, official: IssuesCards, _form: Form, order_id: str) -> Response:
    """End a card that is not printed."""
    with database.writing() as db:
        counter.close(db, order_id, clerk=official.id)
    return see_other("/desk/cards")


NO_CITIZEN = _("This is not a citizen ID. Check each character; the last one is a check.")


def _mistakes(typed: Mapping[str, str], citizen: str | None) -> dict[str, Lazy]:
    errors: dict[str, Lazy] = {}
    if citizen is None:
        errors["citizen"] = NO_CITIZEN
    if not 0 < len(typed["office"]) <= LONGEST_OFFICE or not typed["office"].isprintable():
        errors["office"] = _("Say at which office and counter you are.")
    if typed["document"] not in counter.DOCUMENTS:
        errors["document"] = _("Say which document you looked at.")
    return errors


def _throttle(database: Database, bucket: str, official: Official, *, most: int) -> None:
    with database.writing() as db:
        wait = limits.hit(db, bucket, official.id, most=most, per_seconds=3600)
    if wait:
        raise TooMany(_("This was done very often in a short time. Wait a while."), retry_after=wait)


def _form(
    request: Request, official: Official, *, typed: Mapping[str, str], errors: Mapping[str, Lazy]
) -> Response:
    return show(
        request,
        official,
        "cards.html",
        section="cards",
        status=400 if errors else 200,
        typed=typed,
        errors=errors,
        documents=list(DOCUMENTS.items()),
    )


def _order_page(
    request: Request,
    database: Database,
    official: Official,
    found: Order,
    *,
    typed: Mapping[str, str],
    errors: Mapping[str, Lazy],
) -> Response:
    with database.reading() as db:
        code, on_pad = pads.code(db, found.id), pads.is_taken(db, found.id)
        # Only once somebody has chosen a PIN: before that the page does not tell what is known of a citizen ID.
        child = found.state == counter.READY and guardians.is_minor(db, found.citizen)
    return show(
        request,
        official,
        "card_order.html",
        section="cards",
        status=400 if errors else 200,
        order=found,
        document=DOCUMENTS[found.document],
        code=card.grouped(code),
        on_pad=on_pad,
        citizen=people.grouped(found.citizen),
        child=child,
        typed={name: typed.get(name, "") for name in company.FIELDS},
        errors=errors,
        documents=list(DOCUMENTS.items()),
    )


def _block_page(
    request: Request,
    official: Official,
    typed: Mapping[str, str] | None = None,
    *,
    errors: Mapping[str, Lazy] | None = None,
    done: str = "",
) -> Response:
    return show(
        request,
        official,
        "card_block.html",
        section="lost-cards",
        status=400 if errors else 200,
        typed=typed or dict.fromkeys(BLOCK_FIELDS, ""),
        errors=errors or {},
        done=done,
        documents=list(BLOCK_DOCUMENTS.items()),
    )
