"""Which addresses and numbers of a citizen a notice goes to."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from core import clock, limits
from core.database import parts
from idp.tables import account
from idp.tables import contact as table
from keys import sealing
from keys.errors import Shredded

SCOPE = "account"
MAIL, PHONE = "mail", "phone"
UNCHECKED_A_DAY, DAY_SECONDS = 10, 86_400
_OF = select(table).where(table.c.citizen_id == bindparam("citizen_id")).order_by(table.c.checked_at)
_DOUBT = update(table).where(table.c.citizen_id == bindparam("whose"), table.c.taken_back.is_(False))
_DOUBT = _DOUBT.values(doubted=True)
_NAME = select(account.c.name_sealed).where(account.c.citizen_id == bindparam("citizen_id"))


@dataclass(frozen=True)
class Contact:
    """A checked address or number. `told_until` is set for one that was removed and is told of changes for a while.

    One whose addition was `taken_back` is told and has no say; one that is `doubted` was there before a new letter.
    """

    id: str
    kind: str
    address: str
    checked_at: datetime
    trusted_from: datetime
    told_until: datetime | None
    put_back: bool
    taken_back: bool
    doubted: bool


def of(db: Session, citizen_id: str) -> list[Contact]:
    """Return a citizen's checked addresses and numbers, the oldest first; those removed of late as well."""
    found = []
    for row in db.execute(_OF, {"citizen_id": citizen_id}).all():
        address = _open(db, citizen_id, row.address_sealed, b"contact" + row.id.encode())
        if address:
            found.append(
                Contact(
                    id=row.id,
                    kind=row.kind,
                    address=address,
                    checked_at=row.checked_at,
                    trusted_from=row.trusted_from,
                    told_until=row.told_until,
                    put_back=row.put_back,
                    taken_back=row.taken_back,
                    doubted=row.doubted,
                )
            )
    return found


def kept(db: Session, citizen_id: str) -> list[Contact]:
    """Return what a citizen has, without what was removed."""
    return [one for one in of(db, citizen_id) if one.told_until is None]


def everywhere(db: Session, citizen_id: str) -> list[str]:
    """Return every address, and then every number, that is told what happens to the account.

    What was removed of late is told as well, and an e-mail address that is the sign-in name until a checked
    address has stood for as long: whoever adds an address of their own cannot silence the owner's.
    """
    at = clock.now()
    known = [one for one in of(db, citizen_id) if one.told_until is None or one.told_until > at]
    mails = [one.address for one in known if one.kind == MAIL]
    window = timedelta(days=parts(db).settings.contact_undo_days)
    settled = any(
        one.kind == MAIL and one.told_until is None and one.checked_at <= at - window for one in known
    )
    if not settled and (named := sign_in_address(db, citizen_id)):
        mails.insert(0, named)
    return list(dict.fromkeys([*mails, *(one.address for one in known if one.kind == PHONE)]))


def spared(db: Session, citizen_id: str, places: list[str], notice: str) -> list[str]:
    """Return `places` without the addresses that nobody checked, or that were removed, where they were sent enough today.

    Anybody may name a stranger's address. The first of each kind of notice a day goes out all the same: whoever is in
    the account cannot keep the owner from hearing of one change by making many others.
    """
    checked = {one.address for one in kept(db, citizen_id)}
    return [one for one in places if "@" not in one or one in checked or _may_write(db, one, notice)]


def _may_write(db: Session, address: str, notice: str) -> bool:
    many = limits.hit(db, "unchecked", address, most=UNCHECKED_A_DAY, per_seconds=DAY_SECONDS)
    again = limits.hit(db, f"unchecked:{notice}", address, most=1, per_seconds=DAY_SECONDS)
    return not (many and again)


def heeded(db: Session, citizen_id: str) -> list[str]:
    """Return those of `everywhere` who may take a change back or stop a way back: not what the owner took back itself."""
    silenced = {one.address for one in of(db, citizen_id) if one.taken_back}
    return [one for one in everywhere(db, citizen_id) if one not in silenced]


def doubt(db: Session, citizen_id: str) -> None:
    """Let no address from before a new letter be good for coming back until its owner checks it again.

    Whoever was in before may have added some and removed others: what was removed of late is told for as long again.
    """
    db.execute(_DOUBT, {"whose": citizen_id})
    until = clock.now() + timedelta(days=parts(db).settings.contact_undo_days)
    removed = update(table).where(table.c.citizen_id == citizen_id, table.c.told_until > clock.now())
    db.execute(removed.where(table.c.taken_back.is_(False)).values(told_until=until))


def trusted(db: Session, citizen_id: str) -> list[str]:
    """Return the checked e-mail addresses with which the account may be regained."""
    at = clock.now()
    return [
        one.address
        for one in kept(db, citizen_id)
        if one.kind == MAIL and one.trusted_from <= at and not one.doubted
    ]


def sign_in_address(db: Session, citizen_id: str) -> str:
    """Return the sign-in name if it is an e-mail address, else nothing. Nobody checked it."""
    sealed = db.scalar(_NAME, {"citizen_id": citizen_id})
    name = _open(db, citizen_id, sealed, b"username") if sealed else ""
    return name if "@" in name else ""


def kind(address: str) -> str:
    """Return what an address or number is."""
    return MAIL if "@" in address else PHONE


def keep(db: Session, citizen_id: str, address: str, **moments: datetime) -> str:
    """Keep an address or number, sealed, with the moments of a Contact; return its ID."""
    name = secrets.token_urlsafe(16)
    sealed = sealing.seal(db, citizen_id, SCOPE, address.encode(), aad=b"contact" + name.encode())
    facts = {"id": name, "citizen_id": citizen_id, "kind": kind(address), "address_sealed": sealed}
    db.execute(insert(table).values(put_back=False, **facts, **moments))
    return name


def go_on_telling(db: Session, citizen_id: str, address: str) -> None:
    """Tell an address that was the sign-in name of what happens for some days more, as one that was removed."""
    if all(one.address != address for one in of(db, citizen_id)):
        at = clock.now()
        until = at + timedelta(days=parts(db).settings.contact_undo_days)
        keep(db, citizen_id, address, checked_at=at, trusted_from=until, told_until=until)


def masked(address: str) -> str:
    """Return an address so that its owner knows it and others do not: ``n***@example.org``, ``+995 *** 567``."""
    name, at, domain = address.partition("@")
    return f"{name[:1]}***@{domain}" if at else f"{address[:4]} *** {address[-3:]}"


def _open(db: Session, citizen_id: str, sealed: bytes, aad: bytes) -> str:
    try:
        return sealing.unseal(db, citizen_id, SCOPE, sealed, aad=aad).decode()
    except Shredded:
        return ""
