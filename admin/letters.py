"""Letters at the desk: the clerk looks at who is there, and prints the letter that opens an account, once; a child does not come alone."""

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin import approvals, company
from admin.cards import LONGEST_OFFICE, NO_CITIZEN
from admin.frame import show
from admin.permissions import ExemptsChildren, Official, PrintsLetters
from consent import disclosure, guardians, showing
from consent.cards import DOCUMENTS
from consent.disclosure import NotReleased, StaffAsk
from consent.ledger import signer
from core import limits
from core.database import Database
from core.errors import Refused, TooMany
from core.language import Lazy, _
from core.web import Db, Form, see_other
from idp.errors import NobodyActs
from idp.login import activation, children
from idp.login.children import Presence
from registry_sync import people

router = APIRouter(prefix="/desk/letters")
LETTERS_AN_HOUR = 60
LONGEST_REASON = 500
FIELDS = ("citizen", "document", "office", *company.FIELDS, "why")
ADDRESS = ("name", "address")
POSTING = _("A letter for a child is posted to the address that the register knows.")


@router.get("")
def begin(request: Request, official: PrintsLetters) -> Response:
    """Show the form on which a letter is asked for."""
    return _form(request, official, typed={}, errors={})


@router.post("")
def print_letter(request: Request, database: Db, official: PrintsLetters, form: Form) -> Response:
    """Make an activation code and show the letter, this once. A child's is posted, with a parent or guardian at the counter."""
    typed = {name: form.get(name) for name in FIELDS}
    citizen = people.compact(typed["citizen"])
    errors = _mistakes(typed, citizen)
    if errors or citizen is None:
        return _form(request, official, typed=typed, errors=errors)
    _throttle(database, official)
    presence = Presence(
        people.compact(typed["representative"]) or "",
        typed["their-document"],
        typed["office"],
        official.id,
    )
    with database.reading() as db:
        child, why = guardians.is_minor(db, citizen), children.bar(db, citizen, presence)
        errors = _missing(typed, presence, why) if child else {}
    if errors:
        return _form(request, official, typed=typed, errors=errors, alone=isinstance(why, NobodyActs))
    to = _address(database, citizen, presence) if child else []
    with database.writing() as db:
        code = activation.make_code(db, citizen, actor=official.actor, presence=presence, posted=bool(to))
        sheet = activation.sheet(db, citizen, code, fingerprint=signer.policy_fingerprint(db))
    return show(request, official, "letter_printed.html", section="letters", sheet=sheet, to=to, child=child)


@router.post("/exempt")
def exempt(request: Request, database: Db, official: ExemptsChildren, form: Form) -> Response:
    """Ask a second official to agree that a child for whom nobody acts gets a letter or a card."""
    typed = {name: form.get(name) for name in FIELDS}
    citizen = people.compact(typed["citizen"])
    errors = {} if citizen else {"citizen": NO_CITIZEN}
    if not 0 < len(typed["why"]) <= LONGEST_REASON:
        errors["why"] = _("Say why the child needs it, and who takes care of it. It stays on record.")
    if errors or citizen is None:
        return _form(request, official, typed=typed, errors=errors, alone=True)
    _throttle(database, official)
    with database.reading() as db:
        fits = isinstance(children.bar(db, citizen, children.ALONE), NobodyActs)
    if not fits:
        nobody = _(
            "This is no child for whom nobody acts, or a colleague agreed already. Try the letter again."
        )
        return _form(request, official, typed=typed, errors={"citizen": nobody})
    with database.writing() as db:
        approvals.ask(
            db, approvals.EXEMPT_CHILD, {"citizen": citizen}, reason=typed["why"], official=official
        )
    return see_other("/admin/approvals")


@router.post("/end")
def end(request: Request, database: Db, official: PrintsLetters, form: Form) -> Response:
    """End a letter that nobody used yet; what is answered does not tell whether there was one."""
    typed = form.get("ended")
    citizen = people.compact(typed)
    if citizen is None:
        return _form(request, official, typed={"ended": typed}, errors={"ended": NO_CITIZEN})
    _throttle(database, official)
    with database.writing() as db:
        activation.end_code(db, citizen, actor=official.actor)
    return _form(request, official, typed={}, errors={}, ended=people.grouped(citizen))


def _mistakes(typed: Mapping[str, str], citizen: str | None) -> dict[str, Lazy]:
    errors: dict[str, Lazy] = {}
    if citizen is None:
        errors["citizen"] = NO_CITIZEN
    if typed["document"] not in DOCUMENTS:
        errors["document"] = _("Say which document you looked at.")
    if not 0 < len(typed["office"]) <= LONGEST_OFFICE or not typed["office"].isprintable():
        errors["office"] = _("Say at which office and counter you are.")
    if typed["representative"] and people.compact(typed["representative"]) is None:
        errors["representative"] = NO_CITIZEN
    return errors


def _missing(typed: Mapping[str, str], presence: Presence, why: Refused | None) -> dict[str, Lazy]:
    """Return what is missing for a child's letter."""
    if isinstance(why, NobodyActs):
        return {"why": why.text}
    if why:
        return {"representative": why.text}
    return company.mistakes(typed) if presence.representative else {}


def _address(database: Database, citizen: str, presence: Presence) -> list[str]:
    """Return where a child's letter is posted, read through the door; nothing where no register knows an address."""
    wanted = StaffAsk(
        staff=presence.clerk,
        office=presence.office,
        reason=str(POSTING),
        citizen=citizen,
        attributes=ADDRESS,
    )
    said = disclosure.staff(database, wanted)
    if isinstance(said, NotReleased):
        return []
    texts = {name: showing.value(name, envelope.value) for name, envelope in said.values.items()}
    lines = [line for name in ADDRESS for line in texts.get(name, "").splitlines()]
    return lines if texts.get("address") else []


def _throttle(database: Database, official: Official) -> None:
    with database.writing() as db:
        wait = limits.hit(db, "letter.print", official.id, most=LETTERS_AN_HOUR, per_seconds=3600)
    if wait:
        raise TooMany(_("This was done very often in a short time. Wait a while."), retry_after=wait)


def _form(
    request: Request,
    official: Official,
    *,
    typed: Mapping[str, str],
    errors: Mapping[str, Lazy],
    alone: bool = False,
    ended: str = "",
) -> Response:
    return show(
        request,
        official,
        "letters.html",
        section="letters",
        status=400 if errors else 200,
        typed={name: typed.get(name, "") for name in (*FIELDS, "ended")},
        errors=errors,
        documents=list(DOCUMENTS.items()),
        alone=alone and official.may("children-exempt"),
        ended=ended,
    )
