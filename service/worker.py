"""The work nobody waits for: checkpoints and tiles, mail, key rotation, and clearing what is over."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from admin import approvals
from consent import alerts, desk, disputes, endings, mandates, withholding
from consent.ledger import clearing, erasure, journal, logs, signer, tiles
from core import limits, refusals, sessions
from core.database import Database
from core.errors import Problem
from idp import accounts, notify
from idp.contacts import book
from idp.login import counter, holding, locks, objections, stages, visits
from idp.oidc import tokens
from idp.oidc.logout import outbox as logouts
from idp.oidc.logout.courier import LogoutCourier
from idp.oidc.registration import invitations
from idp.reentry import tending
from idp.signals import outbox
from idp.signals.delivery import Courier
from keys import epochs, rotation
from registry_sync import inbox

log = structlog.get_logger("erti.worker")
TICK_SECONDS = 0.25
CHUNKS_AT_ONCE = 20
LONGEST_BACKOFF_SECONDS = 15


@dataclass
class Duty:
    """One thing to do every so many seconds."""

    name: str
    every_seconds: float
    do: Callable[[Database], object]
    due: float = 0.0
    failures: int = 0


def _purge(database: Database) -> None:
    with database.writing() as db:
        sessions.purge(db)
        limits.purge(db)
        refusals.purge(db)
        tokens.purge(db)
        invitations.purge(db)
        logouts.purge(db)
        clearing.purge(db)
        inbox.purge(db)
        stages.purge(db)
        book.purge(db)
        tending.purge(db)
        outbox.purge(db)
        outbox.give_up(db)
        desk.purge(db)
        counter.purge(db)
        objections.purge(db)
        visits.purge(db)
        notify.purge(db)
        approvals.purge(db)


def _shorten_journal(database: Database) -> None:
    with database.reading() as db:
        every = logs.every(db)
    for log in every:
        journal.purge(database.parts, log.number)


def _expire(database: Database) -> None:
    with database.writing() as db:
        endings.expire(db)
    with database.reading() as db:
        givers = mandates.givers_of_expired(db)
    for giver in givers:
        with database.writing() as db:
            accounts.hold_any(db, giver)
            mandates.expire(db, giver)


def _tend_locks(database: Database) -> None:
    with database.writing() as db:
        locks.remind(db)
        locks.tend(db)


def _try_set_aside(database: Database) -> None:
    database.parts.sequencer.try_again()


def _watch(database: Database) -> None:
    # What came meanwhile is done at once; what comes in faster than that waits for the next turn.
    for _chunk in range(CHUNKS_AT_ONCE):
        if not alerts.watch(database, notify.alert):
            break


def _sum_up_alerts(database: Database) -> None:
    alerts.sum_up(database, notify.alert)


def _mark_overdue(database: Database) -> None:
    with database.writing() as db:
        disputes.mark_overdue(db)


def _clear_leftovers(database: Database) -> None:
    tiles.clear_leftovers(signer.home(database))


def _tend_keys(database: Database) -> None:
    with database.writing() as db:
        rotation.tend(db)


def duties(courier: Courier, leaver: LogoutCourier) -> list[Duty]:
    """Return everything a worker does one after the other, with its rhythm; mail goes beside it."""
    return [
        Duty("checkpoint", 0.5, signer.sign_if_due),
        Duty("signals", 1, courier.turn),
        Duty("logouts", 1, leaver.turn),
        Duty("witnesses", 0.5, signer.cosign),
        Duty("withheld", 20, withholding.tend),
        Duty("alerts", 2, _watch),
        Duty("alert summaries", 300, _sum_up_alerts),
        Duty("disputes", 60, _mark_overdue),
        Duty("expiry", 60, _expire),
        Duty("locks", 60, _tend_locks),
        Duty("purge", 300, _purge),
        Duty("erasures", 60, erasure.carry_out_all),
        Duty("keys", 3600, _tend_keys),
        Duty("journal", 3600, _shorten_journal),
        Duty("set aside", 3600, _try_set_aside),
        Duty("epochs", 5, epochs.tend),
        Duty("leftovers", 86_400, _clear_leftovers),
    ]


def run(database: Database, stop: threading.Event) -> None:
    """Work until `stop` is set. Any number of workers may run: what only one may do holds a lease.

    A duty that fails is logged and done again at its next turn; the worker goes on. Mail has a thread of its own,
    because a mail server that does not answer must not hold up a checkpoint. At the end the letter under way is
    finished or given up by its time-out; the others stay in the outbox.
    """
    courier, postman = Courier(), ThreadPoolExecutor(1, thread_name_prefix="mail")
    leaver = LogoutCourier()
    plan = duties(courier, leaver)
    letters = [
        Duty("ways back", 2, tending.turn),
        Duty("what is held back", 2, holding.turn),
        Duty("mail", 2, lambda house: notify.deliver(house, stop=stop)),
    ]
    database.parts.sequencer.start()
    try:
        mail = postman.submit(_rounds, letters, database, stop)
        mail.add_done_callback(lambda _ended: stop.set())  # without its mail a worker is not whole
        _rounds(plan, database, stop)
        mail.result()
    finally:
        stop.set()
        postman.shutdown(wait=True)
        courier.close()
        leaver.close()
        database.parts.sequencer.stop()


def _rounds(plan: Sequence[Duty], database: Database, stop: threading.Event) -> None:
    while not stop.is_set():
        for duty in plan:
            if time.monotonic() >= duty.due:
                _do(duty, database)
        stop.wait(TICK_SECONDS)


def _do(duty: Duty, database: Database) -> None:
    try:
        duty.do(database)
        duty.failures = 0
    except (SQLAlchemyError, OSError, Problem, LookupError, tiles.Changed) as error:
        # A row that is missing or a tile that was damaged stops the signing and nothing else.
        log.warning("duty failed", duty=duty.name, error=type(error).__name__, detail=str(error)[:200])
        duty.failures += 1
    backoff = min(duty.every_seconds * 2 ** min(duty.failures, 10), LONGEST_BACKOFF_SECONDS)
    duty.due = time.monotonic() + max(duty.every_seconds, backoff)
