"""What follows from what happened, in the same transaction: lines that join packages which do not know each other."""

from sqlalchemy.orm import Session

from consent import alerts, disputes, endings, guardians, mandates, unmatched
from consent.acts import MandateEnded, MandateGiven, MandateOffered
from consent.events import (
    AlertsChanged,
    DisputeAnswered,
    DisputeOverdue,
    GrantEnded,
    GrantGiven,
    GrantWithdrawn,
)
from consent.ledger.events import HistoryErased
from core import events, sessions
from core.events import SYSTEM, Actor, Handlers
from idp import accounts, notify
from idp.events import (
    AccountActivated,
    AccountClosed,
    AccountLocked,
    AccountRegained,
    AccountReopened,
    CardBlocked,
    CardIssued,
    CardPinChanged,
    CardRemoved,
    ChildActivated,
    ContactChangeUndone,
    Disavowed,
    LockLifted,
    PasskeyCloneSuspected,
    PasskeyRemoved,
    PasswordRemoved,
    PasswordSet,
    SessionEnded,
)
from idp.login import assurance, card, children, passkey, waits
from idp.oidc import families, tokens
from idp.oidc.logout import outbox as logouts
from idp.signals import telling
from registry_sync.events import (
    AttributesChanged,
    CitizenDied,
    CitizenErased,
    DeathReversed,
    NameChanged,
    RecordMatched,
    RepresentativeEnded,
    RepresentativeStated,
)


def death_closes_gently(db: Session, event: CitizenDied, actor: Actor) -> None:
    """A death locks the account and ends grants, mandates, tokens and sessions."""
    accounts.lock(db, event.citizen, reason="deceased", actor=actor)
    endings.end_all(db, event.citizen, reason="deceased", actor=actor)
    mandates.end_all(db, event.citizen, reason="deceased", actor=actor)
    tokens.end_for_citizen(db, event.citizen)
    sessions.end_all(db, event.citizen)


def a_register_says_who_acts(db: Session, event: RepresentativeStated, actor: Actor) -> None:
    """Parents act for children, and guardians for their wards, because a register says so."""
    accounts.hold_any(db, event.citizen)  # before mandates, as everybody who changes both
    guardians.state(
        db,
        citizen=event.citizen,
        acts=event.representative,
        relation=event.relation,
        source=event.source,
        as_of=event.as_of,
        until=event.until or "",
        actor=actor,
    )
    if event.relation != guardians.GUARDIAN:
        return
    if event.scope == "all" and mandates.of_ground(db, guardians.GUARDIAN, giver=event.citizen):
        accounts.lock(db, event.citizen, reason=accounts.GUARDED, actor=actor)
    else:
        accounts.reopen(db, event.citizen, reason=accounts.GUARDED, actor=actor)


def a_register_says_who_acts_no_more(db: Session, event: RepresentativeEnded, actor: Actor) -> None:
    """What a register takes back ends at once; a ward whose last guardian that was has the account back."""
    accounts.hold_any(db, event.citizen)  # as above
    guardians.end(db, citizen=event.citizen, acts=event.representative, relation=event.relation, actor=actor)
    if event.relation == guardians.GUARDIAN and not mandates.of_ground(
        db, guardians.GUARDIAN, giver=event.citizen
    ):
        # Also where the guardian died before, so that there was nothing left to end.
        accounts.reopen(db, event.citizen, reason=accounts.GUARDED, actor=actor)


def an_end_gives_back(db: Session, event: MandateEnded, actor: Actor) -> None:
    """A ward without a guardian has the account back; the young hear on their birthday that they decide themselves.

    A guardian's death gives nothing back: a register says who follows.
    """
    ended = mandates.find(db, event.mandate)
    if ended is None or event.reason not in ("register", "expired"):
        return
    left = mandates.of_ground(db, ended.ground, giver=ended.giver)
    if ended.ground == guardians.GUARDIAN and not left:
        accounts.reopen(db, ended.giver, reason=accounts.GUARDED, actor=actor)
    grown = ended.ground == guardians.PARENT and event.reason == "expired"
    if grown and not left and not guardians.is_minor(db, ended.giver) and accounts.find(db, ended.giver):
        notify.tell(db, ended.giver, "of-age")


def another_birthday_is_reckoned_with(db: Session, event: AttributesChanged, actor: Actor) -> None:
    """Parents act until the birthday that the register says now."""
    if "birthdate" in event.attributes:
        accounts.hold_any(db, event.citizen)  # as above
        guardians.reckon(db, event.citizen, actor=actor)


def erasing_takes_the_rest(db: Session, event: CitizenErased, actor: Actor) -> None:
    """Whoever is erased has no account, no name, and no grant, token or session."""
    accounts.erase(db, event.citizen, actor=actor)
    endings.end_all(db, event.citizen, reason="erased", actor=actor)
    mandates.end_all(db, event.citizen, reason="erased", actor=actor)
    tokens.end_for_citizen(db, event.citizen)
    sessions.end_all(db, event.citizen)
    disputes.erase(db, event.citizen)
    alerts.erase(db, event.citizen)


def reversal_reopens(db: Session, event: DeathReversed, actor: Actor) -> None:
    """A death entered by mistake gives the account back, and who acts by birth or law.

    Grants and mandates that a citizen gave stay ended until they give them again.
    """
    accounts.reopen(db, event.citizen, actor=actor, reason="deceased")
    mandates.give_back(db, event.citizen, actor=actor)


def a_new_name_is_told(db: Session, event: NameChanged, _actor: Actor) -> None:
    """Whoever has an account hears that a register changed their name; the names themselves stand on their page."""
    if accounts.find(db, event.citizen):
        notify.tell(db, event.citizen, "register-name")


def withdrawal_ends_tokens(db: Session, event: GrantWithdrawn, _actor: Actor) -> None:
    """A grant that is withdrawn as a whole takes every token with it."""
    if event.whole:
        tokens.end_for_grant(db, event.grant)


def ending_ends_tokens(db: Session, event: GrantEnded, _actor: Actor) -> None:
    """A grant that ended for another reason takes its tokens with it as well."""
    tokens.end_for_grant(db, event.grant)


def mandate_takes_its_tokens(db: Session, event: MandateEnded, _actor: Actor) -> None:
    """Whoever does not act for another any more has no token that says so."""
    tokens.end_for_mandate(db, event.mandate)


def a_mandate_is_told_of(
    db: Session, event: MandateOffered | MandateGiven | MandateEnded, actor: Actor
) -> None:
    """Both hear by mail what one of them did, or what happened; nobody hears of an offer that came to nothing."""
    if isinstance(event, MandateOffered):
        notify.tell(db, event.giver, "mandate-offered")
        notify.tell(db, event.holder, "mandate-offer")
    elif isinstance(event, MandateGiven):
        if event.ground is None:
            notify.tell(db, event.giver, "mandate-given")
    elif (ended := mandates.find(db, event.mandate)) and ended.answered_at and not ended.is_by_law:
        for citizen in {event.giver, event.holder} - {actor.id}:
            notify.tell(db, citizen, "mandate-ended")


def a_lock_keeps_mandates(db: Session, event: AccountLocked, actor: Actor) -> None:
    """Nobody accepts what a locked account offered, and who it let act for it does not while it is suspended."""
    mandates.end_offers(db, event.citizen, reason="account", actor=actor)
    if event.reason == accounts.SUSPENDED:
        for mandate in mandates.rest(db, event.citizen, rests=True):
            tokens.end_for_mandate(db, mandate)


def a_suspension_that_ends_gives_mandates_back(
    db: Session, event: AccountReopened | LockLifted, _actor: Actor
) -> None:
    """Whom the citizen let act for them does so again."""
    if event.reason == accounts.SUSPENDED:
        mandates.rest(db, event.citizen, rests=False)


def a_new_beginning_ends_offers(db: Session, event: AccountActivated | AccountRegained, actor: Actor) -> None:
    """What somebody with the old ways to sign in may have offered, nobody accepts any more."""
    mandates.end_offers(db, event.citizen, reason="account", actor=actor)


def disavowal_ends_mandates(db: Session, event: Disavowed, actor: Actor) -> None:
    """What a stranger offered is over, also where somebody has accepted it."""
    if event.began:
        mandates.end_offers(db, event.citizen, since=event.began, reason="disavowed", actor=actor)


def session_takes_its_tokens(db: Session, event: SessionEnded, _actor: Actor) -> None:
    """A browser session that ends takes the tokens of its sign-ins, save those for offline access.

    Those go as well where it is ended because somebody else may have been in it.
    """
    tokens.end_for_session(db, event.sid, offline=event.reason == "security")


def disavowal_takes_every_token(db: Session, event: Disavowed, _actor: Actor) -> None:
    """What was disavowed leaves nothing behind: tokens for offline access go as well."""
    families.end_disavowed(db, event.citizen, event.sids, since=event.since, keep=event.kept)


def account_takes_its_tokens(db: Session, event: AccountLocked | AccountClosed, _actor: Actor) -> None:
    """A locked or closed account has no live token."""
    tokens.end_for_citizen(db, event.citizen)


def another_way_in_ends_offline_access(db: Session, _event: events.Event, actor: Actor) -> None:
    """Who changes or removes a way in may do so because somebody else had it; what that person let in goes too."""
    if actor.kind == "citizen":
        tokens.end_offline(db, actor.id)


def a_copied_passkey_ends_offline_access(db: Session, event: PasskeyCloneSuspected, _actor: Actor) -> None:
    """Whoever has a copy of a passkey may have let a program in by it, in a session that is long over."""
    if citizen := passkey.citizen_of(db, event.passkey):
        tokens.end_offline(db, citizen, by=assurance.BY_PASSKEY)


def a_blocked_card_ends_offline_access(db: Session, event: CardBlocked | CardIssued, _actor: Actor) -> None:
    """The same of who has found or stolen a card, and of one that a new one takes the place of."""
    if citizen := card.citizen_of(db, event.card):
        tokens.end_offline(db, citizen, by=assurance.BY_CARD)


def a_locked_account_is_not_waited_for(db: Session, event: AccountLocked, _actor: Actor) -> None:
    """Whoever waits to come back by e-mail does not find the account open again, with the waiting time behind them."""
    waits.stop(db, event.citizen, how="locked", actor=SYSTEM)


def a_new_letter_starts_over(db: Session, event: AccountActivated, _actor: Actor) -> None:
    """Activating once more ends what somebody with the old ways to sign in may hold."""
    if event.again:
        tokens.end_for_citizen(db, event.citizen)


def parents_hear_of_a_childs_account(db: Session, event: AccountActivated, actor: Actor) -> None:
    """Who acts for a child by birth or law is told that the child can sign in now."""
    if not guardians.is_minor(db, event.citizen):
        return
    # Not held: who takes one away by a register's word holds the account before it, and that is held here already.
    for holder in sorted({one.holder for one in children.acting(db, event.citizen)}):
        told = ChildActivated(citizen=event.citizen, representative=holder)
        events.record(db, told, actor=actor, about=[holder])
        notify.tell(db, holder, "child-activated")


def coming_back_starts_over(db: Session, event: AccountRegained, _actor: Actor) -> None:
    """Coming back by e-mail ends what somebody with the old ways to sign in may hold."""
    tokens.end_for_citizen(db, event.citizen)


def an_address_taken_back_stops_it(db: Session, event: ContactChangeUndone, _actor: Actor) -> None:
    """Who got at the addresses may have meant to come back by them."""
    waits.stop(db, event.citizen, how="address", actor=SYSTEM)


def a_dispute_is_told_of(db: Session, event: DisputeAnswered | DisputeOverdue, _actor: Actor) -> None:
    """Whoever disputed a look hears by mail that there is an answer, or that there is none in time."""
    citizen = disputes.citizen_of(db, event.dispute)
    if citizen is not None:
        notify.tell(db, citizen, event.kind)


def erased_looks_take_their_disputes(db: Session, _event: HistoryErased, _actor: Actor) -> None:
    """What was written about a look that is erased tells what the look was."""
    for citizen in events.chains_under_way(db):
        disputes.forget_erased(db, citizen)


def changed_alerts_are_told_of(db: Session, _event: AlertsChanged, actor: Actor) -> None:
    """Whoever got into an account could switch its alerts off, so that is told as well."""
    if actor.kind == "citizen":
        notify.tell(db, actor.id, "alerts-changed")


HANDLERS: Handlers = {
    CitizenDied: [death_closes_gently],
    CitizenErased: [erasing_takes_the_rest],
    DeathReversed: [reversal_reopens],
    RepresentativeStated: [a_register_says_who_acts],
    RepresentativeEnded: [a_register_says_who_acts_no_more],
    AttributesChanged: [another_birthday_is_reckoned_with, telling.attributes_changed],
    NameChanged: [telling.attributes_changed, a_new_name_is_told],
    SessionEnded: [telling.session_ended, logouts.session_ended, session_takes_its_tokens],
    Disavowed: [disavowal_takes_every_token, disavowal_ends_mandates],
    PasswordSet: [another_way_in_ends_offline_access],
    PasswordRemoved: [another_way_in_ends_offline_access],
    PasskeyRemoved: [another_way_in_ends_offline_access],
    CardRemoved: [another_way_in_ends_offline_access],
    CardPinChanged: [another_way_in_ends_offline_access],
    CardBlocked: [a_blocked_card_ends_offline_access],
    CardIssued: [a_blocked_card_ends_offline_access],
    # Told first: afterwards nobody holds a sign-in of the citizen any more.
    AccountLocked: [
        telling.account_locked,
        logouts.account_ended,
        account_takes_its_tokens,
        a_locked_account_is_not_waited_for,
        a_lock_keeps_mandates,
    ],
    AccountReopened: [telling.account_reopened, a_suspension_that_ends_gives_mandates_back],
    LockLifted: [a_suspension_that_ends_gives_mandates_back],
    AccountClosed: [telling.account_closed, logouts.account_ended, account_takes_its_tokens],
    PasskeyCloneSuspected: [telling.passkey_copied, a_copied_passkey_ends_offline_access],
    AccountActivated: [
        a_new_letter_starts_over,
        a_new_beginning_ends_offers,
        parents_hear_of_a_childs_account,
    ],
    AccountRegained: [coming_back_starts_over, a_new_beginning_ends_offers],
    ContactChangeUndone: [an_address_taken_back_stops_it],
    GrantGiven: [telling.given_anew],
    GrantWithdrawn: [withdrawal_ends_tokens, telling.withdrawn],
    GrantEnded: [ending_ends_tokens, telling.ended],
    MandateOffered: [a_mandate_is_told_of],
    MandateGiven: [a_mandate_is_told_of],
    MandateEnded: [
        telling.mandate_ended,
        logouts.mandate_ended,
        mandate_takes_its_tokens,
        an_end_gives_back,
        a_mandate_is_told_of,
    ],
    RecordMatched: [unmatched.tell],
    DisputeAnswered: [a_dispute_is_told_of],
    DisputeOverdue: [a_dispute_is_told_of],
    HistoryErased: [erased_looks_take_their_disputes],
    AlertsChanged: [changed_alerts_are_told_of],
}
