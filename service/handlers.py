"""What follows from what happened, in the same transaction: lines that join packages which do not know each other."""

from sqlalchemy.orm import Session

from consent import decisions, unmatched
from consent.events import GrantEnded, GrantWithdrawn
from core import sessions
from core.events import Actor, Handlers
from idp import accounts
from idp.oidc import tokens
from registry_sync.events import CitizenDied, DeathReversed, RecordMatched


def death_closes_gently(db: Session, event: CitizenDied, actor: Actor) -> None:
    """A death locks the account and ends grants, tokens and sessions."""
    accounts.lock(db, event.citizen, reason="deceased", actor=actor)
    decisions.end_all(db, event.citizen, reason="deceased", actor=actor)
    tokens.end_for_citizen(db, event.citizen)
    sessions.end_all(db, event.citizen)


def reversal_reopens(db: Session, event: DeathReversed, actor: Actor) -> None:
    """A death entered by mistake gives the account back; grants stay ended until the citizen gives them again."""
    accounts.reopen(db, event.citizen, actor=actor)


def withdrawal_ends_tokens(db: Session, event: GrantWithdrawn, _actor: Actor) -> None:
    """A grant that is withdrawn as a whole takes every token with it."""
    if event.whole:
        tokens.end_for_grant(db, event.grant)


def ending_ends_tokens(db: Session, event: GrantEnded, _actor: Actor) -> None:
    """A grant that ended for another reason takes its tokens with it as well."""
    tokens.end_for_grant(db, event.grant)


HANDLERS: Handlers = {
    CitizenDied: [death_closes_gently],
    DeathReversed: [reversal_reopens],
    GrantWithdrawn: [withdrawal_ends_tokens],
    GrantEnded: [ending_ends_tokens],
    RecordMatched: [unmatched.tell],
}
