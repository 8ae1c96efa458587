"""Cards that are made at a counter: a clerk begins, the citizen chooses the PIN on the desk's pad, the clerk prints."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.events import OFFICE, Actor, record
from core.language import _
from idp import accounts
from idp.errors import AccountLocked, OrderOver, OrderUnknown
from idp.login import children, holding, pads, printing
from idp.login.children import Presence
from idp.login.events import CardOrdered
from idp.login.printing import Issue, Printed
from idp.tables import card_order as table
from registry_sync import people

LASTS = timedelta(minutes=15)
KEPT = timedelta(days=1)
WAITING, READY, PRINTED, CLOSED = "waiting", "ready", "printed", "closed"
OPEN_FIRST = _(
    "They paused this account, or asked to close it. Open it first, under Letters, and begin the card anew."
)
DOCUMENTS = ("identity-card", "passport", "residence-permit", "other")


@dataclass(frozen=True)
class Order:
    """One card at a counter. `state` is waiting (for the PIN), ready (to print), printed or closed."""

    id: str
    clerk: str
    office: str
    citizen: str
    document: str
    state: str
    expires_at: datetime

    @property
    def is_over(self) -> bool:
        """True once nothing can come of it any more."""
        return self.state in (PRINTED, CLOSED) or self.expires_at <= clock.now()


def begin(db: Session, *, clerk: str, office: str, citizen: str, document: str, actor: Actor) -> Order:
    """Begin to make a card. The same is done and told whether there is such a citizen or not."""
    made = Order(
        secrets.token_hex(16), clerk, office, citizen, document, WAITING, expires_at=clock.now() + LASTS
    )
    db.execute(insert(table).values(**vars(made)))
    pads.offer(db, pads.CARD, made.id, clerk=clerk, ends_at=made.expires_at)
    chains = [citizen, OFFICE] if people.find(db, citizen) else [OFFICE]
    record(db, CardOrdered(office=office, clerk=clerk, document=document), actor=actor, about=chains)
    return made


def of_clerk(db: Session, order_id: str, *, clerk: str) -> Order:
    """Return a clerk's own order; raises OrderUnknown, for a colleague's too."""
    row = db.execute(select(table).where(table.c.id == order_id, table.c.clerk == clerk)).first()
    if row is None:
        raise OrderUnknown(detail=order_id[:32])
    return _order(row)


def choose_pin(db: Session, order_id: str, verifier: str, *, language: str) -> None:
    """Keep the PIN that the citizen chose on the pad, and the language they did it in. Raises OrderOver."""
    row = db.execute(
        update(table)
        .where(table.c.id == order_id, table.c.state == WAITING, table.c.expires_at > clock.now())
        .values(state=READY, pin_verifier=verifier, language=language)
        .returning(table.c.id)
    ).first()
    if row is None:
        raise OrderOver
    pads.end(db, order_id)


def complete(
    db: Session, order_id: str, *, clerk: str, actor: Actor, representative: str = "", document: str = ""
) -> tuple[Order, Printed]:
    """Make the card and return what to print, once; somebody without an account gets one that the card opens.

    Where somebody used the account before, the card is held back (`holding`): one clerk alone takes no account over.
    For a child `representative` is there and agrees, known by a `document`. Raises OrderUnknown, OrderOver, NotLiving or
    AccountLocked for whom there can be no card, and as `children.agree` does.
    """
    order = of_clerk(db, order_id, clerk=clerk)
    row = db.execute(
        update(table)
        .where(table.c.id == order.id, table.c.state == READY, table.c.expires_at > clock.now())
        .values(state=PRINTED)
        .returning(table.c.pin_verifier, table.c.language)
    ).first()
    if row is None:
        raise OrderOver
    presence = Presence(representative, document, order.office, order.clerk)
    children.agree(db, order.citizen, children.CARD, presence, posted=False, actor=actor)
    account = accounts.find(db, order.citizen)
    known = account is not None and account.was_activated
    if account is None or (account.state == accounts.ACTIVE and not known):
        handle = account.handle if account else accounts.new_handle()
        accounts.activate(db, order.citizen, handle=handle, language=row.language, actor=actor)
    elif account.state != accounts.ACTIVE:
        own_wish = account.state == accounts.LOCKED and account.opens_at_a_counter
        raise AccountLocked(OPEN_FIRST if own_wish else None, detail=account.state)
    db.execute(update(table).where(table.c.id == order.id).values(pin_verifier=None))
    how = Issue(printing.DESK, order.office, order.clerk, order.document)
    printed = printing.issue(db, order.citizen, how, verifier=row.pin_verifier, actor=actor, held=known)
    if known:
        holding.begin_at_counter(db, order.citizen, actor=actor)
    return order, printed


def close(db: Session, order_id: str, *, clerk: str) -> None:
    """End an order from the clerk's side; one that was printed stays so. Raises OrderUnknown."""
    order = of_clerk(db, order_id, clerk=clerk)
    mine = (table.c.id == order.id) & (table.c.state != PRINTED)
    db.execute(update(table).where(mine).values(state=CLOSED, pin_verifier=None))
    pads.end(db, order.id)


def purge(db: Session) -> None:
    """Delete orders that were over a day ago, every pad's code that is over, and what a second official agreed to."""
    db.execute(delete(table).where(table.c.expires_at <= clock.now() - KEPT))
    children.purge(db)
    pads.purge(db)


def _order(row: Row[tuple[object, ...]]) -> Order:
    return Order(row.id, row.clerk, row.office, row.citizen, row.document, row.state, row.expires_at)
