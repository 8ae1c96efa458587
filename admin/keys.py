"""The keys' room: four states, the next key published, and changes out of schedule by two people."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin import approvals
from admin.frame import show
from admin.permissions import Official, ReadsKeys, RotatesKeys
from core.database import Database
from core.errors import Invalid
from core.language import Lazy, _
from core.web import Db, Form, see_other
from keys import rotation

router = APIRouter(prefix="/admin/keys")


@router.get("")
def keys(request: Request, database: Db, official: ReadsKeys) -> Response:
    """Show every signing key."""
    return _page(request, database, official, errors={}, typed={"wanted": "", "reason": ""})


@router.post("/announce")
def announce(database: Db, official: RotatesKeys, form: Form) -> Response:
    """Publish the next key of an algorithm: harmless, so one person is enough."""
    alg = form.get("alg")
    if alg not in rotation.ALGORITHMS:
        raise Invalid(detail="algorithm")
    with database.writing() as db:
        rotation.announce(db, alg, actor=official.actor)
    return see_other("/admin/keys")


@router.post("/rotate")
def rotate(request: Request, database: Db, official: RotatesKeys, form: Form) -> Response:
    """Ask a second key officer to agree to a change out of schedule."""
    typed = {"wanted": form.get("wanted"), "reason": form.get("reason")}
    deed, _sep, thing = typed["wanted"].partition(":")
    errors: dict[str, Lazy] = {}
    with database.writing() as db:
        if typed["wanted"] not in [value for value, _words in _wanted(rotation.listing(db))]:
            errors["wanted"] = _("Choose what is to be done.")
        if not typed["reason"]:
            errors["reason"] = _("Say why, for the person who has to agree.")
        if not errors:
            subject = {"alg" if deed == "rotate-key" else "kid": thing}
            approvals.ask(db, deed, subject, reason=typed["reason"], official=official)
    if errors:
        return _page(request, database, official, errors=errors, typed=typed)
    return see_other("/admin/approvals")


def _page(
    request: Request,
    database: Database,
    official: Official,
    *,
    errors: dict[str, Lazy],
    typed: dict[str, str],
) -> Response:
    with database.reading() as db:
        found = rotation.listing(db)
    return show(
        request,
        official,
        "keys.html",
        section="keys",
        status=400 if errors else 200,
        keys=found,
        algorithms=rotation.ALGORITHMS,
        wanted=_wanted(found),
        errors=errors,
        typed=typed,
    )


def _wanted(found: list[rotation.SigningKey]) -> list[tuple[str, Lazy]]:
    return [
        (f"rotate-key:{alg}", _("Let the next {alg} key sign now").format(alg=alg))
        for alg in rotation.ALGORITHMS
    ] + [
        (f"revoke-key:{key.kid}", _("Revoke {kid} ({alg}) at once").format(kid=key.kid, alg=key.alg))
        for key in found
        if key.state in ("active", "retiring")
    ]
