"""Letters at the desk: a clerk compares who is there with the register, and prints the letter, once, or opens a paused account."""

from collections.abc import Mapping

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from admin import approvals, company, themself
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
from idp import accounts
from idp.errors import NobodyActs, VisitOver
from idp.login import activation, children, visits
from idp.login.activation import Seen
from idp.login.children import Presence
from idp.login.visits import Visit
from registry_sync import people

router = APIRouter(prefix="/desk/letters")
LETTERS_AN_HOUR, LETTERS_A_DAY = 30, 120
LONGEST_REASON = 500
FIELDS = ("citizen", "document", "office")
# What a document is compared with; a child's letter is posted, so its address is read as well.
COMPARED = ("name", "given_name", "family_name", "birthdate", "birth_place")
LOOK = _("To compare you with your document at the counter, before a letter is made or your account opened")
ADDRESS = "address"


@router.get("")
def begin(request: Request, official: PrintsLetters) -> Response:
    """Show the form on which a visit is begun."""
    return _form(request, official, typed={}, errors={})


@router.post("")
def look(request: Request, database: Db, official: PrintsLetters, form: Form) -> Response:
    """Show the clerk whom the register knows by this citizen ID; the look is in the person's history before."""
    typed = {name: form.get(name) for name in FIELDS}
    citizen = people.compact(typed["citizen"])
    errors = _mistakes(typed, citizen)
    if errors or citizen is None:
        return _form(request, official, typed=typed, errors=errors)
    _throttle(database, official)
    with database.reading() as db:
        child = guardians.is_minor(db, citizen)
    wanted = StaffAsk(
        staff=official.id,
        office=typed["office"],
        reason=str(LOOK),
        citizen=citizen,
        attributes=(*COMPARED, ADDRESS) if child else COMPARED,
    )
    said = disclosure.staff(database, wanted)
    if isinstance(said, NotReleased):
        return _form(request, official, typed=typed, errors={"citizen": said.text})
    parts = COMPARED[1:3] if "name" in said.values else ()
    facts = {
        name: lines
        for name in wanted.attributes
        if name in said.values
        and name not in parts
        and (lines := showing.value(name, said.values[name].value).splitlines())
    }
    with database.writing() as db:
        seen = Seen(typed["office"], official.id, typed["document"])
        made = visits.begin(db, citizen, seen, facts=facts)
    return see_other(f"/desk/letters/{made.id}")


@router.post("/exempt")
def exempt(request: Request, database: Db, official: ExemptsChildren, form: Form) -> Response:
    """Ask a second official to agree that a child for whom nobody acts gets a letter or a card."""
    citizen, why = people.compact(form.get("citizen")), form.get("why")
    if citizen is None or not 0 < len(why) <= LONGEST_REASON:
        errors = {"why": _("Say why the child needs it, and who takes care of it. It stays on record.")}
        typed = {"alone": form.get("citizen"), "why": why}
        return _form(request, official, typed=typed, errors=errors)
    _throttle(database, official)
    with database.reading() as db:
        fits = isinstance(children.bar(db, citizen, children.ALONE), NobodyActs)
    if not fits:
        nobody = _(
            "This is no child for whom nobody acts, or a colleague agreed already. Try the letter again."
        )
        return _form(request, official, typed={"citizen": form.get("citizen")}, errors={"citizen": nobody})
    with database.writing() as db:
        subject = {"citizen": citizen}
        approvals.ask(db, approvals.EXEMPT_CHILD, subject, reason=why, official=official)
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


@router.get("/{visit_id}")
def follow(request: Request, database: Db, official: PrintsLetters, visit_id: str) -> Response:
    """Show the person as the register knows them, and what a letter does, before it is made."""
    with database.reading() as db:
        visit = visits.of_clerk(db, visit_id, clerk=official.id)
    return _visit_page(request, database, official, visit, typed={}, errors={})


@router.post("/{visit_id}/print")
def print_letter(
    request: Request, database: Db, official: PrintsLetters, form: Form, visit_id: str
) -> Response:
    """Make the letter and show it, this once. A child's is posted, with a parent or guardian at the counter."""
    typed = {name: form.get(name) for name in ("compared", *company.FIELDS)}
    with database.reading() as db:
        visit = visits.of_clerk(db, visit_id, clerk=official.id)
        facts = visits.facts(db, visit)
        presence = Presence(
            people.compact(typed["representative"]) or "",
            typed["their-document"],
            visit.office,
            visit.clerk,
        )
        child = guardians.is_minor(db, visit.citizen)
        errors = _unproved(typed) | (_missing(db, visit, typed, presence) if child else {})
    if errors and not visit.is_over:
        return _visit_page(request, database, official, visit, typed=typed, errors=errors)
    to = _addressee(facts) + facts.get(ADDRESS, [])
    posted = child and ADDRESS in facts
    with database.writing() as db:
        themself.refuse(db, official, visit.citizen)
        code = visits.letter(db, visit, presence, posted=posted, actor=official.actor)
        fingerprint = signer.policy_fingerprint(db)
        sheet = activation.sheet(db, visit.citizen, code, fingerprint=fingerprint, office=visit.office)
        later = activation.waiting(db, visit.citizen)
    return show(
        request,
        official,
        "letter_printed.html",
        section="letters",
        sheet=sheet,
        to=to,
        child=child,
        posted=posted,
        visit=visit,
        waits=later[1] if later else "",
    )


@router.post("/{visit_id}/vouch")
def vouch(database: Db, official: PrintsLetters, form: Form, visit_id: str) -> Response:
    """Ask a second official, who looks at the person as well, to let the letter for an account in use work at once."""
    with database.writing() as db:
        visit = visits.of_clerk(db, visit_id, clerk=official.id)
        later = activation.waiting(db, visit.citizen)
        if visit.state != visits.LETTER or later is None or later[1] != form.get("letter"):
            raise VisitOver
        subject = {"citizen": visit.citizen, "letter": later[1]}
        seen = f"{visit.office}: {DOCUMENTS[visit.document]}"
        approvals.ask(db, approvals.VOUCH, subject, reason=seen, official=official)
    return see_other("/admin/approvals")


@router.post("/{visit_id}/open")
def open_again(
    request: Request, database: Db, official: PrintsLetters, form: Form, visit_id: str
) -> Response:
    """Open an account that its citizen paused, or was closing, at once; every way to sign in stays."""
    with database.reading() as db:
        visit = visits.of_clerk(db, visit_id, clerk=official.id)
    errors = _unproved({"compared": form.get("compared")})
    if errors and not visit.is_over:
        wrong = {"opening": errors["compared"]}
        return _visit_page(request, database, official, visit, typed={}, errors=wrong)
    with database.writing() as db:
        themself.refuse(db, official, visit.citizen)
        visits.open_again(db, visit, actor=official.actor)
    return see_other(f"/desk/letters/{visit.id}")


@router.post("/{visit_id}/close")
def close(database: Db, official: PrintsLetters, _form: Form, visit_id: str) -> Response:
    """End a visit from which nothing comes."""
    with database.writing() as db:
        visits.close(db, visits.of_clerk(db, visit_id, clerk=official.id))
    return see_other("/desk/letters")


def _mistakes(typed: Mapping[str, str], citizen: str | None) -> dict[str, Lazy]:
    errors: dict[str, Lazy] = {}
    if citizen is None:
        errors["citizen"] = NO_CITIZEN
    if typed["document"] not in DOCUMENTS:
        errors["document"] = _("Say which document you looked at.")
    if not 0 < len(typed["office"]) <= LONGEST_OFFICE or not typed["office"].isprintable():
        errors["office"] = _("Say at which office and counter you are.")
    return errors


def _unproved(typed: Mapping[str, str]) -> dict[str, Lazy]:
    if typed["compared"] == "yes":
        return {}
    return {"compared": _("Compare the person, the document and the register first, and say so.")}


def _missing(db: Session, visit: Visit, typed: Mapping[str, str], presence: Presence) -> dict[str, Lazy]:
    """Return what is missing for a child's letter."""
    if typed["representative"] and not presence.representative:
        return {"representative": NO_CITIZEN}
    why: Refused | None = children.bar(db, visit.citizen, presence)
    if why:
        return {"representative": why.text}
    return company.mistakes(typed) if presence.representative else {}


def _addressee(facts: Mapping[str, list[str]]) -> list[str]:
    """Return whose letter it is, as the register writes the name."""
    whole = facts.get("name") or [" ".join(one for name in COMPARED[1:3] for one in facts.get(name, ()))]
    return [one for one in whole if one]


def _throttle(database: Database, official: Official) -> None:
    with database.writing() as db:
        waits = [
            limits.hit(db, "letters.day", official.id, most=LETTERS_A_DAY, per_seconds=86400),
            limits.hit(db, "letters.hour", official.id, most=LETTERS_AN_HOUR, per_seconds=3600),
        ]
    if max(waits):
        raise TooMany(_("This was done very often in a short time. Wait a while."), retry_after=max(waits))


def _visit_page(
    request: Request,
    database: Database,
    official: Official,
    visit: Visit,
    *,
    typed: Mapping[str, str],
    errors: Mapping[str, Lazy],
) -> Response:
    with database.reading() as db:
        account = accounts.find(db, visit.citizen)
        facts = visits.facts(db, visit)
        child = guardians.is_minor(db, visit.citizen)
        alone = child and isinstance(children.bar(db, visit.citizen, children.ALONE), NobodyActs)
        bar = "own" if themself.may_be(db, official, visit.citizen) else visits.bar(db, visit.citizen)
        disowned = activation.was_disowned(db, visit.citizen)
    return show(
        request,
        official,
        "letter_visit.html",
        section="letters",
        status=400 if errors else 200,
        visit=visit,
        citizen=people.grouped(visit.citizen),
        document=DOCUMENTS[visit.document],
        facts_known=[(showing.label(name), ", ".join(facts[name])) for name in facts],
        account=account,
        bar=bar,
        disowned=disowned,
        child=child,
        alone=alone and official.may("children-exempt"),
        typed={name: typed.get(name, "") for name in ("compared", *company.FIELDS)},
        errors=errors,
        documents=list(DOCUMENTS.items()),
    )


def _form(
    request: Request,
    official: Official,
    *,
    typed: Mapping[str, str],
    errors: Mapping[str, Lazy],
    ended: str = "",
) -> Response:
    return show(
        request,
        official,
        "letters.html",
        section="letters",
        status=400 if errors else 200,
        typed={name: typed.get(name, "") for name in (*FIELDS, "ended", "alone", "why")},
        errors=errors,
        documents=list(DOCUMENTS.items()),
        ended=ended,
    )
