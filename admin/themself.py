"""Nobody does at the desk what makes a way into an account for themself: whoever may be the clerk goes to a colleague."""

from sqlalchemy.orm import Session

from admin.errors import SomebodyElseHasTo
from admin.permissions import Official
from consent import disclosure


def may_be(db: Session, official: Official, citizen: str) -> bool:
    """Tell whether somebody is called as the official is: a namesake loses nothing by a colleague."""
    return disclosure.is_called(db, citizen, official.member.name)


def refuse(db: Session, official: Official, citizen: str) -> None:
    """Raise SomebodyElseHasTo if somebody is called as the official is."""
    if may_be(db, official, citizen):
        raise SomebodyElseHasTo
