"""The worker goes on, whatever one of its duties meets."""

import os
import socket
import threading
import time

from sqlalchemy import delete, select

from consent.ledger import logs, signer, tiles
from consent.ledger.tables import entry
from core import clock
from core.database import Database
from core.events import SYSTEM, record, waiting
from idp import accounts, notify
from idp.notices import mail
from idp.oidc.logout.courier import LogoutCourier
from idp.signals.delivery import Courier
from registry_sync import people
from service import worker
from tests.consent import country
from tests.consent.ledger.reading import CITIZEN, Moved
from tests.ports import within
from tests.postbox import with_mail


def test_a_row_that_is_missing_does_not_end_the_worker(house: Database) -> None:
    """A ledger with a hole is not signed, and the worker lives to do its other duties."""
    with house.writing() as db:
        record(db, Moved(number=1), actor=SYSTEM, about=(CITIZEN,))
    assert house.parts.sequencer.drain()
    with house.writing() as db:
        db.execute(delete(entry).where(entry.c.log == 1, entry.c.leaf_index == 1))
    duty = worker.Duty("checkpoint", 0.5, signer.sign_if_due)
    worker._do(duty, house)
    assert duty.due > 0
    with house.reading() as db:
        assert signer.newest(db, 1) is None


def test_a_duty_that_keeps_failing_is_tried_less_often(house: Database) -> None:
    """A duty that fails waits longer each time, up to a limit, and goes on at its own pace once it is done."""
    failing = True

    def do(_house: Database) -> None:
        if failing:
            raise OSError

    duty = worker.Duty("test", 0.5, do)
    waits = []
    for _turn in range(8):
        worker._do(duty, house)
        waits.append(round(duty.due - time.monotonic(), 1))
    assert waits == [1, 2, 4, 8, 15, 15, 15, 15]
    failing = False
    worker._do(duty, house)
    assert duty.due - time.monotonic() <= 0.5


def test_a_mail_server_that_is_silent_holds_up_no_checkpoint(house: Database) -> None:
    """While a letter waits for a server that took the call and says nothing, what happens is signed as ever."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(10)
        mailing = with_mail(house, f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        mailing.parts.sequencer = house.parts.sequencer
        someone = people.new_citizen_id()
        with house.writing() as db:
            country.be_born(db, someone)
            accounts.open_for_test(db, someone, "nino@example.org", language="ka")
            notify.tell(db, someone, "password-set")
        stop = threading.Event()
        work = threading.Thread(target=worker.run, args=(mailing, stop))
        work.start()
        try:
            call, _address = silent.accept()
            with house.writing() as db:
                record(db, Moved(number=1), actor=SYSTEM, about=(CITIZEN,))
            assert within(mail.TIMEOUT_SECONDS / 2, lambda: signed(house))
        finally:
            stop.set()
            call.close()
            work.join(mail.TIMEOUT_SECONDS)
    assert not work.is_alive()
    mailing.close()


def signed(house: Database) -> bool:
    """Tell whether everything that has happened stands under a checkpoint."""
    with house.reading() as db:
        size, newest = logs.current(db).size, signer.newest(db)
        return db.scalar(select(waiting.c.id).limit(1)) is None and newest is not None and newest.size == size


def test_what_a_killed_signer_left_is_cleared(house: Database) -> None:
    """A half-written file of yesterday goes; one of now, which may be somebody's, and every tile stay."""
    signer.sign_if_due(house)
    home = signer.home(house)
    whole = {path for path in home.rglob("*") if path.is_file()}
    old, new = (next(home.rglob("checkpoint")).with_name(f".new-{name}") for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    at = clock.now().timestamp() - 2 * tiles.LEFT_SECONDS
    os.utime(old, (at, at))
    (leftovers,) = (duty for duty in worker.duties(Courier(), LogoutCourier()) if duty.name == "leftovers")
    worker._do(leftovers, house)
    assert {path for path in home.rglob("*") if path.is_file()} == whole | {new}
