"""The keys' room: signing keys in four states, sealing epochs, and what takes two key officers."""

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
from keys import epochs, rotation, signing

router = APIRouter(prefix="/admin/keys")


@router.get("")
def keys(request: Request, database: Db, official: ReadsKeys) -> Response:
    """Show every signing key."""
    return _page(request, database, official, errors={}, typed={})


@router.post("/announce")
def announce(database: Db, official: RotatesKeys, form: Form) -> Response:
    """Publish the next key that signs by an algorithm: harmless, so one person is enough."""
    alg = form.get("alg")
    if alg not in signing.ALGORITHMS:
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


@router.post("/epochs/begin")
def begin_epoch(database: Db, official: RotatesKeys, _form: Form) -> Response:
    """Begin a sealing epoch: nothing is lost by it, so one person is enough. The worker moves the keys."""
    with database.writing() as db:
        epochs.begin(db, actor=official.actor)
    return see_other("/admin/keys#epochs")


@router.post("/epochs/destroy")
def destroy_epoch(request: Request, database: Db, official: RotatesKeys, form: Form) -> Response:
    """Ask a second key officer to agree that an old epoch's key is destroyed."""
    typed = {"epoch": form.get("epoch"), "destroy-reason": form.get("destroy-reason")}
    errors: dict[str, Lazy] = {}
    with database.writing() as db:
        if typed["epoch"] not in [str(epoch.number) for epoch in _idle(epochs.listing(db))]:
            errors["epoch"] = _("Choose an epoch that wraps no key any more.")
        if not typed["destroy-reason"]:
            errors["destroy-reason"] = _("Say why, for the person who has to agree.")
        if not errors:
            subject = {"epoch": int(typed["epoch"])}
            approvals.ask(db, "destroy-epoch", subject, reason=typed["destroy-reason"], official=official)
    if errors:
        return _page(request, database, official, errors=errors, typed=typed)
    return see_other("/admin/approvals")


def _idle(found: list[epochs.Epoch]) -> list[epochs.Epoch]:
    """Return the epochs that may be destroyed."""
    return [epoch for epoch in found if epoch.state == epochs.CLOSED and not epoch.wrapped]


def _page(
    request: Request,
    database: Database,
    official: Official,
    *,
    errors: dict[str, Lazy],
    typed: dict[str, str],
) -> Response:
    with database.reading() as db:
        found, sealing = rotation.listing(db), epochs.listing(db)
    return show(
        request,
        official,
        "keys.html",
        section="keys",
        status=400 if errors else 200,
        keys=found,
        algorithms=signing.ALGORITHMS,
        wanted=_wanted(found),
        epochs=sealing,
        idle=[(str(epoch.number), str(epoch.number)) for epoch in _idle(sealing)],
        errors=errors,
        typed={"wanted": "", "reason": "", "epoch": "", "destroy-reason": ""} | typed,
    )


def _wanted(found: list[rotation.SigningKey]) -> list[tuple[str, Lazy]]:
    return [
        *(
            (f"rotate-key:{alg}", _("Let the next {alg} key sign now").format(alg=alg))
            for alg in signing.ALGORITHMS
        ),
        *(
            (f"rotate-key:{alg}", _("Replace the {alg} key that others encrypt to").format(alg=alg))
            for alg in rotation.ENCRYPTION
        ),
    ] + [
        (f"revoke-key:{key.kid}", _("Revoke {kid} ({alg}) at once").format(kid=key.kid, alg=key.alg))
        for key in found
        if key.state in ("active", "retiring")
    ]
