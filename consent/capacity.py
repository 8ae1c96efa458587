"""Who decides about their own data, and who does it for those who do not: the too young, and those who have a guardian."""

from sqlalchemy.orm import Session

from consent import guardians, mandates
from consent.errors import DecidesOtherwise, TooYoung
from consent.mandates import Mandate
from core.errors import Refused
from core.events import Actor
from registry_sync import people


def bar(db: Session, citizen: str) -> Refused | None:
    """Return why a citizen gives no permission on their own word, or None if they do.

    Under the age of consent (`age_of_consent`, GDPR art. 8) a parent or guardian does; so does the guardian of an adult
    for whom a register names one. Refusing and taking back are open to everybody.
    """
    if guardians.is_minor(db, citizen):
        return TooYoung()
    guarded = any(one.ground == guardians.GUARDIAN and one.is_live for one in mandates.given_by(db, citizen))
    return DecidesOtherwise() if guarded else None


def check(db: Session, citizen: str, *, actor: Actor, behalf: Mandate | None = None) -> None:
    """Raise TooYoung or DecidesOtherwise if this is the citizen's own word and another has to give it.

    A mandate that the citizen gave is their own word too; one by birth or law is not.
    """
    own = behalf.ground == mandates.GIVEN if behalf else actor.kind == "citizen" and actor.id == citizen
    if own and people.is_citizen_id(citizen) and (why := bar(db, citizen)):
        raise why
