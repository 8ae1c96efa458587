"""The rooms of agencies, their clients and their purposes: to read, and to propose a purpose."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import yaml
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin import approvals
from admin.frame import Number, show
from admin.permissions import Official, PublishesPurposes, ReadsAgencies
from consent import agencies, importing, purposes
from consent.errors import FileRefused
from core.database import Database
from core.language import Lazy, _
from core.web import Db, Form, see_other
from idp.oidc import clients, profiles
from idp.signals import outbox, streams

router = APIRouter(prefix="/admin")
LONGEST_DECLARATION = 40_000


class _Rehearsed(Exception):
    """Ends a rehearsal: everything it did is undone."""


@router.get("/agencies")
def show_agencies(request: Request, database: Db, official: ReadsAgencies) -> Response:
    """Show every agency."""
    with database.reading() as db:
        found = agencies.listing(db)
        having = Counter(client.agency for client in clients.listing(db))
        asking = Counter(purpose.agency for purpose in purposes.listing(db))
    return show(
        request,
        official,
        "agencies.html",
        section="agencies",
        agencies=found,
        clients=having,
        purposes=asking,
    )


@router.get("/agencies/{agency_id}")
def show_agency(request: Request, database: Db, official: ReadsAgencies, agency_id: str) -> Response:
    """Show one agency with its clients and purposes."""
    with database.reading() as db:
        agency = agencies.read(db, agency_id)
        its_clients = clients.listing(db, agency=agency.id)
        its_purposes = purposes.listing(db, agency=agency.id)
    return show(
        request,
        official,
        "agency.html",
        section="agencies",
        agency=agency,
        clients=its_clients,
        purposes=its_purposes,
    )


@router.get("/clients/{client_id:path}")
def show_client(request: Request, database: Db, official: ReadsAgencies, client_id: str) -> Response:
    """Show the settings of one client; its secret is stored as a hash and shown to nobody."""
    with database.reading() as db:
        client = clients.read(db, client_id)
        agency = agencies.read(db, client.agency)
        stream = streams.find(db, client.client_id)
        backlog = outbox.backlog(db, client_id=client.client_id)
        unreceived = outbox.unreceived(db, client.client_id)
    return show(
        request,
        official,
        "client.html",
        section="agencies",
        client=client,
        agency=agency,
        stream=stream,
        backlog=backlog,
        unreceived=unreceived,
        broken=profiles.broken(vars(client), client.profile),
    )


@router.get("/purposes")
def show_purposes(request: Request, database: Db, official: ReadsAgencies) -> Response:
    """Show the newest version of every purpose."""
    with database.reading() as db:
        found = purposes.listing(db)
        known = {agency.id: agency for agency in agencies.listing(db)}
    return show(
        request,
        official,
        "purposes.html",
        section="purposes",
        purposes=found,
        agencies=known,
    )


@router.get("/purposes/propose")
def show_proposal(request: Request, official: PublishesPurposes) -> Response:
    """Show the form on which a purpose is proposed."""
    return _proposal(request, official, errors={}, typed={"declaration": "", "reason": ""})


@router.post("/purposes/propose")
def propose(request: Request, database: Db, official: PublishesPurposes, form: Form) -> Response:
    """Check a purpose as if it were published, then ask a second person to agree."""
    typed = {"declaration": form.raw("declaration"), "reason": form.get("reason")}
    errors: dict[str, Lazy | str] = {}
    spec = _read(typed["declaration"])
    if spec is None:
        errors["declaration"] = _("This is not one purpose in YAML or JSON.")
    elif wrong := _rehearse(database, spec, official):
        errors["declaration"] = wrong
    if not typed["reason"]:
        errors["reason"] = _("Say why, for the person who has to agree.")
    if errors or spec is None:
        return _proposal(request, official, errors=errors, typed=typed)
    with database.writing() as db:
        approvals.ask(db, "publish-purpose", spec, reason=typed["reason"], official=official)
    return see_other("/admin/approvals")


@router.get("/purposes/{purpose_id}")
def show_purpose(
    request: Request, database: Db, official: ReadsAgencies, purpose_id: str, version: Number = 0
) -> Response:
    """Show one version of a purpose, the newest unless another is asked for."""
    with database.reading() as db:
        found = purposes.read(db, purpose_id, version) if version else purposes.current(db, purpose_id)
        every = purposes.versions(db, purpose_id)
        agency = agencies.read(db, found.agency)
    return show(
        request,
        official,
        "purpose.html",
        section="purposes",
        purpose=found,
        versions=every,
        agency=agency,
    )


def _proposal(
    request: Request, official: Official, *, errors: Mapping[str, Lazy | str], typed: dict[str, str]
) -> Response:
    return show(
        request,
        official,
        "purpose_propose.html",
        section="purposes",
        status=400 if errors else 200,
        errors=errors,
        typed=typed,
    )


def _read(text: str) -> dict[str, Any] | None:
    if not 0 < len(text) <= LONGEST_DECLARATION:
        return None
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        return None
    return dict(found) if isinstance(found, dict) and isinstance(found.get("id"), str) else None


def _rehearse(database: Database, spec: dict[str, Any], official: Official) -> str:
    """Publish and undo; return what is wrong, or an empty text."""
    try:
        with database.writing() as db:
            importing.load(db, {"purposes": [spec]}, actor=official.actor)
            raise _Rehearsed
    except _Rehearsed:
        return ""
    except FileRefused as refused:
        return " ".join(f"{mistake}." for mistake in refused.mistakes)
