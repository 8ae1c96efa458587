"""The page on which a citizen chooses alerts, and the mail that the choice leads to."""

from typing import Any

from sqlalchemy import select

from consent import alerts
from consent.alerts import Choice
from core.database import Database
from idp import accounts
from idp.oidc.logout.courier import LogoutCourier
from idp.signals.delivery import Courier
from idp.tables import outbox
from service import worker
from tests.consent.country import CITIZEN
from tests.consent.doubts import look
from tests.consent.rooms import page, post


def notices(database: Database) -> list[str]:
    """Return what waits to be mailed."""
    with database.reading() as db:
        return list(db.scalars(select(outbox.c.notice).order_by(outbox.c.id)))


def test_what_is_ticked_is_kept(at_home: Any, database: Database) -> None:
    """The page shows what is on, keeps what is ticked, and the change is in the history and mailed."""
    text = page(at_home, "/my/alerts")
    assert text.count(" checked>") == len(alerts.DEFAULT)
    answer = post(at_home, "/my/alerts", text, rule="outside-hours", agency=["health", "revenue"])
    assert (answer.status_code, answer.headers["location"]) == (303, "/my/alerts?saved=1")
    with database.reading() as db:
        assert alerts.choice(db, CITIZEN) == Choice(("outside-hours",), ("health", "revenue"))
    saved = page(at_home, answer.headers["location"])
    assert saved.count(" checked>") == 3
    assert 'id="saved"' in saved
    assert "You chose which looks you are told about" in page(at_home, "/my/history?kind=account")
    assert notices(database) == ["alerts-changed"]


def test_nothing_ticked_is_nothing(at_home: Any, database: Database) -> None:
    """All alerts can be switched off; without the form's token nothing changes; an unknown agency is refused."""
    assert at_home.post("/my/alerts", data={"rule": "staff"}).status_code == 403
    text = page(at_home, "/my/alerts")
    assert post(at_home, "/my/alerts", text, agency="nobody").status_code == 404
    assert post(at_home, "/my/alerts", text).status_code == 303
    with database.reading() as db:
        assert alerts.choice(db, CITIZEN) == Choice((), ())


def test_the_worker_mails_it(at_home: Any, database: Database) -> None:
    """The worker's own duties find the look and put the letter into the outbox of somebody with an account."""
    courier, leaver = Courier(), LogoutCourier()
    duties = {duty.name: duty.do for duty in worker.duties(courier, leaver)}
    courier.close()
    leaver.close()
    with database.writing() as db:
        accounts.open_for_test(db, CITIZEN, "nino@example.org", language="en")
    duties["alerts"](database)
    look(database)
    assert database.parts.sequencer.drain()
    duties["alerts"](database)
    duties["alert summaries"](database)
    duties["disputes"](database)
    assert notices(database) == ["alert"]
