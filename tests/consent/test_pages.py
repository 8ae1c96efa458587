import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from consent import decisions, disclosure, grants
from consent.ledger import signer
from consent.pages import downloads
from core import limits, sessions
from core.database import Database
from tests.consent import country, receipt_reader
from tests.consent.country import CITIZEN, ME, allow, ask
from tests.consent.rooms import page, post

ATTRIBUTE = re.compile(r'href="(/my[^"]*)"')


@pytest.fixture
def browser(client: Any, database: Database) -> Iterator[Any]:
    """Give a browser in which the citizen is signed in, with some history."""
    with database.writing() as db:
        country.found(db)
        country.be_born(db, CITIZEN)
        allow(db, "given_name", "income_bracket")
        _session, token = sessions.begin(
            db, subject=CITIZEN, kind="citizen", acr=country.HIGH, amr=["hwk"], user_agent="", network=""
        )
    disclosure.release(database, ask("given_name", "income_bracket"))
    disclosure.release(database, ask("employer"))
    disclosure.release(database, ask(purpose="revenue-assessment", case="A-17", official="officer-7f"))
    client.cookies.set("__Host-erti_session", token)
    client.headers["accept"] = "text/html"
    return client


def live(database: Database) -> grants.Grant:
    """Return the citizen's live grant."""
    with database.reading() as db:
        found = grants.live(db, citizen=CITIZEN, purpose="revenue-sign-in")
    assert found
    return found


def test_nobody_else_gets_in(client: Any) -> None:
    """Every page of the room leads to the sign-in page and back."""
    for path in ("/my", "/my/data", "/my/sharing", "/my/history", "/my/history/bundle", "/my/history.csv"):
        answer = client.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?return_to=%2Fmy")


def test_every_link_leads_somewhere(browser: Any) -> None:
    """From the overview all of the room can be walked through, in both languages, without a dead link."""
    seen, todo = set(), ["/my"]
    while todo:
        path = todo.pop()
        if path in seen or path.startswith("/my/account"):
            continue
        seen.add(path)
        answer = browser.get(
            path.replace("&amp;", "&"), headers={"accept-language": "ka" if len(seen) % 2 else "en"}
        )
        if path == "/my/history/bundle" and answer.status_code == 503:
            continue
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            todo += ATTRIBUTE.findall(answer.text)
    assert {"/my/data", "/my/sharing", "/my/history"} <= seen
    assert any(path.endswith("/withdraw") for path in seen)


def test_my_data_shows_values_by_register(browser: Any) -> None:
    """Each value stands under its register with its day."""
    text = page(browser, "/my/data")
    for words in ("Nino", "Civil registry", "31 January 2026", "Vashliani", "Tax register", "The Mill"):
        assert words in text


def test_sharing_shows_consent_and_law(browser: Any) -> None:
    """What is allowed, by whom and until when, and what the law allows without asking."""
    text = page(browser, "/my/sharing")
    assert "Office of revenue" in text
    assert "given name and income bracket" in text
    assert "Tax Code, 72(1)" in text


def test_withdrawing_the_whole(browser: Any, database: Database) -> None:
    """After words about what stops and what the agency may keep, everything is taken back at once."""
    grant = live(database)
    path = f"/my/sharing/{grant.grant_id}/withdraw"
    text = page(browser, path)
    assert "can no longer read: given name and income bracket" in text
    assert "for 1 year" in text
    answer = post(browser, path, text)
    assert answer.status_code == 303
    assert "It has stopped" in page(browser, answer.headers["location"])
    refused = disclosure.release(database, ask("given_name"))
    assert isinstance(refused, disclosure.NotReleased)


def test_withdrawing_a_part(browser: Any, database: Database) -> None:
    """One attribute is taken back, the other stays, and both are said before it is done."""
    grant = live(database)
    path = f"/my/sharing/{grant.grant_id}/withdraw"
    text = page(browser, f"{path}?attribute=income_bracket")
    assert "can no longer read: income bracket." in text
    assert "still read: given name." in text
    answer = post(browser, path, text, attribute="income_bracket")
    assert "no more than: given name" in page(browser, answer.headers["location"])
    assert live(database).attributes == {"given_name"}


def test_a_withdrawal_needs_the_form(browser: Any, database: Database) -> None:
    """A post without the page's token changes nothing; another's permission is not found."""
    grant = live(database)
    assert browser.post(f"/my/sharing/{grant.grant_id}/withdraw").status_code == 403
    with database.writing() as db:
        other = allow(db, "given_name", citizen=country.OTHER)
    text = page(browser, f"/my/sharing/{grant.grant_id}/withdraw")
    assert post(browser, f"/my/sharing/{other.grant_id}/withdraw", text).status_code == 404
    assert browser.get(f"/my/sharing/{other.grant_id}").status_code == 404
    assert live(database) == grant


def test_the_history_is_in_words(browser: Any) -> None:
    """Reads, refusals, reads by law and decisions are sentences, the newest first, with case and law."""
    text = page(browser, "/my/history")
    sentences = [
        "Office of revenue read given name, because a law allows it",
        "Office of revenue asked for employer and was refused",
        "Office of revenue read given name and income bracket, as you allowed",
        "You allowed Office of revenue to read given name and income bracket",
    ]
    places = [text.index(f"<h3>{sentence}") for sentence in sentences]
    assert places == sorted(places)
    for words in ("A-17", "officer-7f", "Tax Code, 72(1)", "You have not allowed all of it."):
        assert words in text


def test_the_history_can_be_filtered(browser: Any) -> None:
    """By kind, agency and month; what does not fit is not there."""
    reads = page(browser, "/my/history?kind=reads")
    assert "as you allowed" in reads
    assert "You allowed Office" not in reads
    assert "as you allowed" in page(browser, "/my/history?agency=revenue")
    assert "Nothing like that" in page(browser, "/my/history?agency=health")
    assert "Nothing like that" in page(browser, "/my/history?month=1999-01")
    assert "You allowed Office" in page(browser, "/my/history?kind=nonsense")


def test_long_histories_have_pages(browser: Any, database: Database) -> None:
    """Older entries are behind real links, and a page beyond the end is the last one."""
    for _time in range(25):
        disclosure.release(database, ask())
    first = page(browser, "/my/history?kind=reads")
    assert 'href="/my/history?kind=reads&amp;page=2"' in first
    assert "Page 2 of 2" in page(browser, "/my/history?kind=reads&page=2")
    assert "Page 2 of 2" in page(browser, "/my/history?kind=reads&page=99")
    assert "Page 1 of 2" in page(browser, "/my/history?page=-3")


def test_the_table_holds_every_entry(browser: Any) -> None:
    """The table for spreadsheets has a row for each entry, with its reference."""
    answer = browser.get("/my/history.csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == 1 + 4
    assert "Case: A-17" in rows[1][3]


def test_no_cell_is_a_formula(browser: Any, database: Database) -> None:
    """What an agency writes cannot become a formula in the citizen's spreadsheet."""
    disclosure.release(database, ask(purpose="revenue-assessment", case="=1+1", official="o-1"))
    rows = list(csv.reader(io.StringIO(browser.get("/my/history.csv").content.decode("utf-8-sig"))))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_the_bundle_holds_what_the_page_shows(browser: Any, database: Database) -> None:
    """The download has as many entries as the page tells, and the page says that they are signed."""
    assert database.parts.sequencer.drain()
    signer.sign_if_due(database)
    answer = browser.get("/my/history/bundle")
    assert answer.status_code == 200
    found = json.loads(answer.content)
    assert found["citizen"] == CITIZEN
    assert found["logs"][0]["n"] == len(found["logs"][0]["entries"]) == 4
    text = page(browser, "/my/history")
    assert "4 entries since" in text
    assert "All of them are in the ledger" in text
    with database.reading() as db:
        assert signer.policy_fingerprint(db) in text


def test_the_program_is_the_one_of_this_version(browser: Any) -> None:
    """The verifier that is offered is the file itself."""
    answer = browser.get("/my/history/verifier")
    assert b"erti-history-bundle/2" in answer.content


def test_a_decision_is_in_the_history_when_it_is_answered(browser: Any, database: Database) -> None:
    """The very next page after a withdrawal shows it."""
    grant = live(database)
    text = page(browser, f"/my/sharing/{grant.grant_id}/withdraw")
    post(browser, f"/my/sharing/{grant.grant_id}/withdraw", text)
    assert "You took back your permission for Office of revenue" in page(browser, "/my/history")


def test_an_empty_room_says_so(client: Any, database: Database) -> None:
    """Somebody about whom nothing is known yet is told what would be here."""
    with database.writing() as db:
        _session, token = sessions.begin(
            db, subject=country.OTHER, kind="citizen", acr=country.HIGH, amr=[], user_agent="", network=""
        )
    client.cookies.set("__Host-erti_session", token)
    for path, words in (
        ("/my", "Nobody has looked yet"),
        ("/my/data", "No register has told us"),
        ("/my/sharing", "You have allowed nothing"),
        ("/my/history", "Your history is empty"),
    ):
        assert words in page(client, path)


def test_an_ended_permission_can_only_be_looked_at(browser: Any, database: Database) -> None:
    """What is over is still explained, and cannot be taken back again."""
    grant = live(database)
    with database.writing() as db:
        decisions.withdraw(db, grant, actor=ME)
    assert "withdraw-all" not in page(browser, f"/my/sharing/{grant.grant_id}")
    assert browser.get(f"/my/sharing/{grant.grant_id}/withdraw").status_code == 409


def test_each_entry_has_its_receipt(browser: Any, database: Database) -> None:
    """Every entry in the history leads to its signed receipt, which opens that entry; one that is not there is not found."""
    links = re.findall(r'href="(/my/history/entry/[^"]+/receipt)"', page(browser, "/my/history"))
    assert len(links) == len(country.history(database))
    keys = browser.get("/ledger/receipt-keys").json()
    for link in links:
        answer = browser.get(link)
        assert answer.headers["content-type"] == "application/erti-receipt+jwt"
        assert answer.headers["cache-control"] == "no-store"
        found = receipt_reader.claims(answer.text, keys)
        assert receipt_reader.opens(found)
        assert found["jti"] in link
    assert browser.get("/my/history/entry/11111111-2222-3333-4444-555555555555/receipt").status_code == 404


def test_a_permission_as_a_consent_record(browser: Any, database: Database) -> None:
    """From a permission's page its record is downloaded as JSON-LD; another's is not found."""
    grant = live(database)
    link = f"/my/sharing/{grant.grant_id}/record.jsonld"
    assert link in page(browser, f"/my/sharing/{grant.grant_id}")
    answer = browser.get(link)
    assert answer.headers["content-type"] == "application/ld+json"
    assert answer.json()["dct:identifier"] == grant.grant_id
    assert answer.json()["@context"]["dpv"] == "https://w3id.org/dpv#"
    with database.writing() as db:
        other = allow(db, "given_name", citizen=country.OTHER)
    assert browser.get(f"/my/sharing/{other.grant_id}/record.jsonld").status_code == 404


def test_a_weak_sign_in_lets_no_permission_go_on(browser: Any, database: Database) -> None:
    """Whoever got in with less than the purpose wants is sent to sign in again, and the permission stays as it is."""
    before = live(database)
    path = f"/my/sharing/{before.grant_id}/extend"
    text = page(browser, path)
    with database.writing() as db:
        db.execute(update(sessions.browser_session).values(acr=country.LOW))
    for answer in (browser.get(path, follow_redirects=False), post(browser, path, text)):
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?")
    assert live(database) == before


def test_the_whole_history_is_fetched_only_so_often(browser: Any, database: Database) -> None:
    """Files that open or prove the whole history are limited for each citizen, all kinds of them together."""
    with database.writing() as db:
        most = downloads.FILES_AN_HOUR
        limits.hit(db, "history.file", CITIZEN, most=most, per_seconds=3600, times=most - 1)
    assert browser.get("/my/history.csv").status_code == 200
    for name in (".csv", ".json", ".html", "/bundle"):
        assert browser.get(f"/my/history{name}").status_code == 429
