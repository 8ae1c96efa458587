"""One of everything that a citizen has and an address can name, and a look at whether somebody touched it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from sqlalchemy import select

from consent import decisions, desk, disclosure, disputes, entrusting, history, mandates, purposes
from core import clock, sessions
from core.database import Base, Database
from core.events import SYSTEM, Actor
from idp.contacts import book
from idp.login import passkey
from idp.notices import reach
from registry_sync import people
from tests.consent import country
from tests.consent.country import HIGH, ask

OWNERS = {"citizen", "citizen_id", "subject", "giver", "holder", "chain"}
AS_IT_GOES = {"last_seen_at", "rested", "version"}  # columns that say nothing of what was done


@dataclass
class Owner:
    """A citizen with an account, a friend who represents them and is represented, and IDs of what is theirs."""

    database: Database
    citizen: str
    friend: str
    fresh: Iterator[int]

    @property
    def actor(self) -> Actor:
        """The citizen, as one who does something."""
        return Actor("citizen", self.citizen)

    def example(self, name: str, route: str) -> str:
        """Return the ID of something of the owner's for a part of a route; a new thing each time, where that can be."""
        special = {
            ("event_id", "/my/sessions/activity/{event_id}"): "sign_in",
            ("mandate_id", "/my/mandates/{mandate_id}/accept"): "offer",
            ("mandate_id", "/my/mandates/{mandate_id}/take-back/{grant_id}"): "errand",
            ("grant_id", "/my/mandates/{mandate_id}/take-back/{grant_id}"): "errands_grant",
        }
        return str(getattr(self, f"_{special.get((name, route), name)}")())

    def settle(self) -> None:
        """Wait until all that happened stands in the history."""
        assert history.settle(self.database, self.citizen)

    def touched(self, before: Any) -> bool:
        """Tell whether anything of the owner's is different from what `state` said."""
        return bool(self.state() != before)

    def state(self) -> Any:
        """Return every row that is the owner's, and how long the history is."""
        self.settle()
        with self.database.reading() as db:
            told, _pages = history.entries(db, self.citizen, size=1000)
            rows = [
                (table.name, sorted(repr(_plain(row)) for row in db.execute(select(table)) if self._of(row)))
                for table in Base.metadata.sorted_tables
                if OWNERS & set(table.c.keys())
            ]
        return len(told), rows

    def _of(self, row: Any) -> bool:
        facts = row._asdict()
        return any(facts.get(name) == self.citizen for name in OWNERS)

    def _sid(self) -> str:
        with self.database.writing() as db:
            begun, _token = sessions.begin(
                db, subject=self.citizen, kind="citizen", acr=HIGH, amr=["hwk"], user_agent="", network=""
            )
        return begun.sid

    def _passkey_id(self) -> str:
        with self.database.reading() as db:
            return passkey.of(db, self.citizen)[0].id

    def _contact_id(self) -> str:
        with self.database.writing() as db:
            book.add(db, self.citizen, f"nino{next(self.fresh)}@example.org", actor=self.actor)
            return reach.kept(db, self.citizen)[-1].id

    def _grant_id(self) -> str:
        with self.database.writing() as db:
            return country.allow(db, "given_name", "income_bracket", citizen=self.citizen).grant_id

    def _event_id(self) -> str:
        said = disclosure.release(
            self.database,
            ask(
                citizen=self.citizen,
                purpose="revenue-assessment",
                case=f"A-{next(self.fresh)}",
                official="o-7",
            ),
        )
        assert isinstance(said, disclosure.Released), said
        self.settle()
        return said.receipt.event_id

    def _sign_in(self) -> str:
        self.settle()
        with self.database.reading() as db:
            told, _pages = history.entries(db, self.citizen, size=1000)
        return next(one.event_id for one in told if one.kind == "passkey-added")

    def _number(self) -> str:
        event_id = self._event_id()
        with self.database.writing() as db:
            return disputes.begin(db, self.citizen, event_id, text="Why?", actor=self.actor).id

    def _offer(self) -> str:
        return self._mandate(self.friend, self.citizen).id

    def _mandate_id(self) -> str:
        made = self._mandate(self.citizen, self.friend)
        with self.database.writing() as db:
            return entrusting.accept(db, made.id, holder=self.friend, actor=SYSTEM).id

    def _errand(self) -> str:
        made = self._mandate(self.friend, self.citizen)
        with self.database.writing() as db:
            self._under = entrusting.accept(db, made.id, holder=self.citizen, actor=self.actor)
        return self._under.id

    def _errands_grant(self) -> str:
        with self.database.writing() as db:
            given = decisions.decide(
                db, citizen=self.friend, client_id="portal", purpose="revenue-sign-in", allowed={"given_name"},
                lang="en", actor=self.actor, behalf=self._under,
            )  # fmt: skip
        self.settle()
        return given.grant_id

    def _mandate(self, giver: str, holder: str) -> mandates.Mandate:
        with self.database.writing() as db:
            return entrusting.offer(
                db, giver=giver, holder=holder, agencies=["revenue"], purposes=[],
                until=clock.now() + timedelta(days=30), actor=Actor("citizen", giver),
            )  # fmt: skip

    def _sitting_id(self) -> str:
        with self.database.writing() as db:
            made = desk.begin(
                db, clerk="S-1", office="Hall", citizen=self.citizen, reference="", actor=SYSTEM,
                purpose=purposes.current(db, "revenue-sign-in"),
            )  # fmt: skip
        return made.id


def owner(database: Database, citizen: str) -> Owner:
    """Give a citizen with an account something of everything, and the small country around it."""
    friend = people.new_citizen_id()
    with database.writing() as db:
        country.found(db)
        country.be_born(db, friend)
    return Owner(database, citizen, friend, count())


def _plain(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row._asdict().items() if name not in AS_IT_GOES}
