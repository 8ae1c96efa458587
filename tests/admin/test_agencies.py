"""Reading about agencies, clients and purposes, and publishing a purpose with two people."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from consent import importing, purposes
from core.database import Database
from core.events import SYSTEM
from idp.oidc import clients
from idp.signals import bodies, outbox, streams
from idp.signals.bodies import Refusal
from tests.admin.conftest import Colleague, address

Hire = Callable[[str], Colleague]
DEMO = Path(__file__).parents[2] / "service" / "demo" / "agencies.yaml"


@pytest.fixture
def country(database: Database) -> None:
    """Admit the demo's agencies with their clients and purposes."""
    document = yaml.safe_load(DEMO.read_text("utf-8"))
    with database.writing() as db:
        importing.load(db, document, actor=SYSTEM)
        clients.load(db, document, actor=SYSTEM)


def declaration(**changes: object) -> str:
    """Return a purpose of the revenue agency as somebody would type it."""
    document = yaml.safe_load(DEMO.read_text("utf-8"))
    spec = next(one for one in document["purposes"] if one["id"] == "revenue-sign-in")
    return yaml.safe_dump({**spec, "id": "revenue-new", **changes}, allow_unicode=True)


@pytest.mark.usefixtures("country")
def test_everything_about_an_agency_is_shown(colleague: Hire, database: Database) -> None:
    """From the list one reaches an agency, its clients and its purposes, with texts in every language and the hash."""
    me = colleague("support")
    assert "Revenue Service" in me.get("/admin/agencies").text
    agency = me.get("/admin/agencies/revenue").text
    assert 'href="/admin/clients/revenue-portal"' in agency
    with database.reading() as db:
        client, purpose = clients.read(db, "revenue-portal"), purposes.current(db, "revenue-sign-in")
    shown = me.get("/admin/clients/revenue-portal").text
    assert client.redirect_uris[0] in shown
    if client.secret_hash:
        assert client.secret_hash not in shown
    read = me.get("/admin/purposes/revenue-sign-in").text
    assert purpose.sha256 in read
    assert purpose.texts["en"]["title"] in read
    assert purpose.texts["ka"]["title"] in read


@pytest.mark.usefixtures("country")
@pytest.mark.parametrize(
    "path", ["agencies/none", "clients/none", "purposes/none", "purposes/revenue-sign-in?version=9"]
)
def test_unknown_is_missing(colleague: Hire, path: str) -> None:
    """What does not exist is a page that says so."""
    assert colleague("support").get(f"/admin/{path}").status == 404


@pytest.mark.usefixtures("country")
def test_a_purpose_is_published_by_two(colleague: Hire, database: Database) -> None:
    """A proposed purpose is published when a second person agrees, exactly as it was read."""
    first, second = colleague("registrar"), colleague("administrator")
    form = {"declaration": declaration(), "reason": "A new service in May"}
    asked = first.post("/admin/purposes/propose", form, on=first.get("/admin/purposes/propose"))
    assert (asked.status, asked.location) == (303, "/admin/approvals")
    with database.reading() as db:
        assert purposes.find(db, "revenue-new") is None
    page = second.get("/admin/approvals")
    assert "revenue-new" in page.text
    assert second.post(address(page, "agree"), {}, on=page).status == 303
    with database.reading() as db:
        assert purposes.current(db, "revenue-new").agency == "revenue"


@pytest.mark.usefixtures("country")
@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "not one purpose in YAML"),
        ("[1, 2", "not one purpose in YAML"),
        ("just words", "not one purpose in YAML"),
        (declaration(agency="nobody"), "agency"),
        (declaration(valid_days=0), "valid_days"),
        (declaration(texts={"en": {"title": "t", "why": "w", "refused": "r"}}), "every official language"),
    ],
)
def test_mistakes_are_named_before_anybody_is_asked(colleague: Hire, typed: str, says: str) -> None:
    """A purpose with a mistake comes back as typed with the mistake's place, and nobody is asked to agree."""
    me = colleague("registrar")
    form = {"declaration": typed, "reason": "r"}
    page = me.post("/admin/purposes/propose", form, on=me.get("/admin/purposes/propose"))
    assert page.status == 400
    assert says in page.text
    assert "Nothing waits for a second person" in me.get("/admin/approvals").text


@pytest.mark.usefixtures("country")
def test_notices_that_did_not_arrive_are_shown(colleague: Hire, database: Database) -> None:
    """Staff see how a client is told, what waits, and which notices it called unusable; not about whom they were."""
    with database.writing() as db:
        client = clients.read(db, "revenue-portal")
        stream = streams.create(db, client, bodies.declared({}), actor=SYSTEM)
        jti = outbox.put_about_stream(db, stream, "verification", {})
        outbox.put_about_stream(db, stream, "verification", {})
        outbox.refused(db, stream, jti, Refusal("invalid_key", "<b>unknown</b>"))
    me = colleague("support")
    page = me.get("/admin/clients/revenue-portal").text
    assert "fetched by the client" in page
    assert jti in page
    assert "invalid_key (&lt;b&gt;unknown&lt;/b&gt;)" in page
    assert "<dd>1</dd>" in page
    assert "takes no notices" in me.get("/admin/clients/health-portal").text
