"""Signing in with a printed card: its number first, then the PIN and the code with the number that is asked for."""

from collections.abc import Sequence
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from core import pages
from core.database import Database
from core.language import Lazy, _
from core.web import Citizen, Db, Form, Here, see_other
from idp.login import assurance, card, entry, pin
from idp.login.entry import Entered, Shut
from idp.login.pages import browser

router = browser.router()
NO_NUMBER = _("This is not a card number. It has {count} digits; check each of them.")
WRONG = _(
    "This did not work. Check the PIN, and that the code is the one with this number. If both are right, the card is "
    "blocked or used up: a public service hall makes you a new one."
)


@router.get("/login/card")
def show(request: Request, database: Db, here: Here, return_to: str = "") -> Response:
    """Ask for the number of the card."""
    return _number_page(request, database, browser.where_to(return_to))


@router.post("/login/card")
def sign_in(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Ask for PIN and code once there is a number, and begin the session once both are right."""
    visitor, return_to = browser.visitor(request), browser.where_to(form.get("return_to"))
    typed = form.get("card-number")
    errors: dict[str, str | Lazy] = {}
    number = card.read(typed)
    if number is None:
        errors = {"card-number": NO_NUMBER.format(count=card.NUMBER_DIGITS)}
        return _number_page(request, database, return_to, typed, errors=errors)
    if not form.all("pin"):
        return _proof_page(request, database, return_to, number)
    errors = missing(form.get("pin"), form.get("card-code"))
    if errors:
        return _proof_page(request, database, return_to, number, errors=errors)
    attempt = card.attempt(database, number, form.get("pin"), form.get("card-code"), visitor)
    outcome: Entered | Shut | None = None
    with database.writing() as db:
        used = card.settle(db, attempt, visitor, place="sign-in")
        if used is not None:
            most = assurance.SUBSTANTIAL
            outcome = entry.enter(db, used.account, assurance.CARD, visitor, before=here, most=most)
    if outcome is None or used is None:
        errors = {} if attempt.wait else {"pin": WRONG}
        return _proof_page(request, database, return_to, number, errors=errors, wait=attempt.wait)
    onward = f"/login/card/left?return_to={quote(return_to, safe='')}" if used.left <= card.FEW else return_to
    return browser.let_in(request, browser.opened(outcome), onward)


@router.get("/login/card/left")
def few_left(request: Request, database: Db, me: Citizen, return_to: str = "") -> Response:
    """Tell somebody who came in with a card that few codes are left on it, on their way."""
    with database.reading() as db:
        mine = card.of(db, me.subject)
    back = browser.where_to(return_to)
    if mine is None:
        return see_other(back)
    return pages.render(request, "idp/card_left.html", left=mine.left, return_to=back)


@router.get("/login/card/block")
def show_block(request: Request, here: Here) -> Response:
    """Ask somebody who lost their card for its number and the blocking code."""
    return _block_page(request)


@router.post("/login/card/block")
def block(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Block a lost card. What is answered does not tell whether there was one."""
    number, code = card.read(form.get("card-number")), form.get("blocking-code")
    errors: dict[str, str | Lazy] = {}
    if number is None:
        errors["card-number"] = NO_NUMBER.format(count=card.NUMBER_DIGITS)
    if not pin.read(code):
        errors["blocking-code"] = _("Enter the blocking code of your sheet.")
    if errors or number is None:
        return _block_page(request, form.get("card-number"), errors=errors)
    with database.writing() as db:
        wait = card.block_lost(db, number, code, browser.visitor(request))
    return _block_page(request, form.get("card-number") if wait else "", wait=wait, done=not wait)


def missing(typed_pin: str, typed_code: str) -> dict[str, str | Lazy]:
    """Return what was left empty of a PIN and a code, by field."""
    errors: dict[str, str | Lazy] = {}
    if not pin.read(typed_pin):
        errors["pin"] = _("Enter your PIN.")
    if not pin.read(typed_code):
        errors["card-code"] = _("Enter the code with this number from your card.")
    return errors


def _number_page(
    request: Request,
    database: Database,
    return_to: str,
    typed: str = "",
    *,
    errors: dict[str, str | Lazy] | None = None,
) -> Response:
    leads = browser.leads(database, return_to)
    return pages.render(
        request,
        "idp/card_number.html",
        status=400 if errors else 200,
        form_action=leads.origins,
        client=leads.name,
        return_to=return_to,
        typed=typed,
        errors=errors or {},
    )


def proof_page(
    request: Request,
    database: Database,
    number: str,
    *,
    action: str,
    back: str,
    fields: dict[str, str] | None = None,
    form_action: Sequence[str] = (),
    errors: dict[str, str | Lazy] | None = None,
    wait: int = 0,
) -> Response:
    """Ask for the PIN of the card with this number and for its next code, to be sent to `action` with `fields`."""
    with database.reading() as db:
        asked = card.asked(db, number)
    return pages.render(
        request,
        "idp/card_proof.html",
        status=400 if errors else 200,
        form_action=form_action,
        action=action,
        back=back,
        fields=fields or {},
        number=number,
        grouped=card.grouped(number),
        asked=asked,
        errors=errors or {},
        wait=wait,
    )


def _proof_page(
    request: Request,
    database: Database,
    return_to: str,
    number: str,
    *,
    errors: dict[str, str | Lazy] | None = None,
    wait: int = 0,
) -> Response:
    return proof_page(
        request,
        database,
        number,
        action="/login/card",
        back=f"/login?return_to={quote(return_to, safe='')}",
        fields={"return_to": return_to},
        form_action=browser.leads(database, return_to).origins,
        errors=errors,
        wait=wait,
    )


def _block_page(
    request: Request,
    typed: str = "",
    *,
    errors: dict[str, str | Lazy] | None = None,
    wait: int = 0,
    done: bool = False,
) -> Response:
    return pages.render(
        request,
        "idp/card_block.html",
        status=400 if errors else 200,
        typed=typed,
        errors=errors or {},
        wait=wait,
        done=done,
    )
