"""What happens to citizens' accounts; each stands in the history of the citizen it happened to."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from core.events import Event


@dataclass(frozen=True, kw_only=True)
class ActivationCodeEnded(Event):
    """A counter ended a letter before anybody used its code, e.g. because a parent did not agree after all."""

    kind: ClassVar[str] = "activation-code-ended"


@dataclass(frozen=True, kw_only=True)
class ChildsWayIn(Event):
    """A counter made a letter or card (`way`) for somebody too young to decide alone; told to who acts for them by birth or law.

    `relation` is that of the `representative` who was there and agreed, whom the clerk knew by a `document`; it is
    "office" where a register names nobody and a second official agreed. `posted`: it goes to the address of the register.
    """

    kind: ClassVar[str] = "child-way-in"
    citizen: str
    way: str
    relation: str
    representative: str
    document: str
    office: str
    clerk: str
    posted: bool


@dataclass(frozen=True, kw_only=True)
class ChildActivated(Event):
    """Somebody too young to decide alone opened an account; told to who acts for them by birth or law."""

    kind: ClassVar[str] = "child-activated"
    citizen: str
    representative: str


@dataclass(frozen=True, kw_only=True)
class AccountActivated(Event):
    """The citizen opened the account with a code from the counter. `again`: earlier ways to sign in ended with it."""

    kind: ClassVar[str] = "account-activated"
    citizen: str
    again: bool


@dataclass(frozen=True, kw_only=True)
class TestCitizenEnrolled(Event):
    """A test citizen was made on the command line; impossible in production."""

    kind: ClassVar[str] = "test-citizen-enrolled"
    citizen: str


@dataclass(frozen=True, kw_only=True)
class SignInNameChanged(Event):
    """The sign-in name was set or changed; the name itself is not recorded."""

    kind: ClassVar[str] = "sign-in-name-changed"


@dataclass(frozen=True, kw_only=True)
class PasskeyAdded(Event):
    """A passkey can sign in from now on. `device_bound`: it cannot leave the device it was made on."""

    kind: ClassVar[str] = "passkey-added"
    passkey: str
    device_bound: bool


@dataclass(frozen=True, kw_only=True)
class PasskeyRenamed(Event):
    """A passkey was given another name."""

    kind: ClassVar[str] = "passkey-renamed"
    passkey: str


@dataclass(frozen=True, kw_only=True)
class PasskeyRemoved(Event):
    """A passkey can no longer sign in."""

    kind: ClassVar[str] = "passkey-removed"
    passkey: str


@dataclass(frozen=True, kw_only=True)
class PasskeyCloneSuspected(Event):
    """A passkey's counter went backwards, as a copy's would; the sign-in was refused."""

    kind: ClassVar[str] = "passkey-clone-suspected"
    passkey: str


@dataclass(frozen=True, kw_only=True)
class PasswordSet(Event):
    """The password was set or changed."""

    kind: ClassVar[str] = "password-set"


@dataclass(frozen=True, kw_only=True)
class PasswordRemoved(Event):
    """The password and its authenticator app were removed; only passkeys sign in."""

    kind: ClassVar[str] = "password-removed"


@dataclass(frozen=True, kw_only=True)
class TotpAdded(Event):
    """An authenticator app was set up; an earlier one stopped working."""

    kind: ClassVar[str] = "totp-added"


@dataclass(frozen=True, kw_only=True)
class RecoveryCodesMade(Event):
    """New recovery codes were shown; older ones stopped working."""

    kind: ClassVar[str] = "recovery-codes-made"
    count: int


@dataclass(frozen=True, kw_only=True)
class RecoveryCodeUsed(Event):
    """A recovery code signed in and is spent."""

    kind: ClassVar[str] = "recovery-code-used"
    left: int


@dataclass(frozen=True, kw_only=True)
class SessionBegan(Event):
    """Somebody signed in at Erti itself. `known_device`: the browser had been used for this account before."""

    kind: ClassVar[str] = "session-began"
    sid: str
    acr: str
    amr: tuple[str, ...]
    known_device: bool


@dataclass(frozen=True, kw_only=True)
class SessionEnded(Event):
    """A browser session ended. `reason`: signed-out, ended-elsewhere, replaced or security."""

    kind: ClassVar[str] = "session-ended"
    sid: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Disavowed(Event):
    """The citizen said that a sign-in or a change was not theirs. `sids`: the sessions that ended for it.

    `since`: where it was not known which browser it had been, all that signed in from then on were signed out but
    the session `kept`. `letter`: said by the link in a letter, by somebody who was not signed in. `began`: the earliest
    moment at which it can have begun; None where nobody had come in.
    """

    kind: ClassVar[str] = "disavowed"
    citizen: str
    what: str
    sids: tuple[str, ...]
    since: datetime | None = None
    began: datetime | None = None
    kept: str = ""
    letter: bool = False


@dataclass(frozen=True, kw_only=True)
class SignInRefused(Event):
    """The right password or passkey was given for an account that is locked."""

    kind: ClassVar[str] = "sign-in-refused"
    reason: str


@dataclass(frozen=True, kw_only=True)
class GuessingStopped(Event):
    """Too many wrong answers from unknown devices: further ones are not looked at for a while."""

    kind: ClassVar[str] = "guessing-stopped"
    method: str


@dataclass(frozen=True, kw_only=True)
class SecondFactorFailed(Event):
    """After the right password, the code was wrong so often that the sign-in had to start over."""

    kind: ClassVar[str] = "second-factor-failed"


@dataclass(frozen=True, kw_only=True)
class AccountLocked(Event):
    """The account was locked; its sessions ended.

    `reason` is paused or closing (the citizen's own wish), suspended (by staff, who say `why`), deceased, or a word of
    whoever locked it. Of one that is closing `until` says when it closes for good.
    """

    kind: ClassVar[str] = "account-locked"
    citizen: str
    reason: str
    why: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class AccountReopened(Event):
    """A locked account was opened again; `reason` is that of the last lock, `why` the words of staff who took it away."""

    kind: ClassVar[str] = "account-reopened"
    citizen: str
    reason: str | None = None
    why: str | None = None


@dataclass(frozen=True, kw_only=True)
class LockLifted(Event):
    """One reason for which an account is locked was taken away; others are left."""

    kind: ClassVar[str] = "lock-lifted"
    citizen: str
    reason: str
    why: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReopeningAsked(Event):
    """Somebody with the way in and a recovery code asked that a paused account opens again, at `opens_at`."""

    kind: ClassVar[str] = "reopening-asked"
    citizen: str
    opens_at: datetime


@dataclass(frozen=True, kw_only=True)
class ReopeningStopped(Event):
    """The account stays paused: what was asked is taken back."""

    kind: ClassVar[str] = "reopening-stopped"
    citizen: str


@dataclass(frozen=True, kw_only=True)
class AccountClosed(Event):
    """The account was closed; the history stays. A counter can open it again for the same citizen ID."""

    kind: ClassVar[str] = "account-closed"
    citizen: str


@dataclass(frozen=True, kw_only=True)
class CardIssued(Event):
    """A card with one-time codes was printed: `origin` desk, with its clerk and office, or self. An older one ended."""

    kind: ClassVar[str] = "card-issued"
    card: str
    origin: str
    office: str
    clerk: str
    document: str
    codes: int
    replaced: bool


@dataclass(frozen=True, kw_only=True)
class CardUsed(Event):
    """Card and PIN were right, and the code with this number is spent. `place`: sign-in or desk."""

    kind: ClassVar[str] = "card-used"
    card: str
    number: int
    left: int
    place: str


@dataclass(frozen=True, kw_only=True)
class CardPinChanged(Event):
    """A card has another PIN."""

    kind: ClassVar[str] = "card-pin-changed"
    card: str


@dataclass(frozen=True, kw_only=True)
class CardBlocked(Event):
    """A card does not work any more. `reason`: lost; guessed: somebody had the card and tried PINs; or disavowed."""

    kind: ClassVar[str] = "card-blocked"
    card: str
    reason: str
    clerk: str = ""
    document: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class CardRemoved(Event):
    """A citizen removed their card."""

    kind: ClassVar[str] = "card-removed"
    card: str


@dataclass(frozen=True, kw_only=True)
class ContactAdded(Event):
    """An address or number was checked and is told of changes from now on; which one is not recorded."""

    kind: ClassVar[str] = "contact-added"
    what: str


@dataclass(frozen=True, kw_only=True)
class ContactRemoved(Event):
    """An address or number was removed. `final`: it had been put back before, and cannot be again."""

    kind: ClassVar[str] = "contact-removed"
    what: str
    final: bool


@dataclass(frozen=True, kw_only=True)
class ContactChangeUndone(Event):
    """Somebody who reads an address that was told of a change took it back; every sign-in ended."""

    kind: ClassVar[str] = "contact-change-undone"
    citizen: str
    change: str


@dataclass(frozen=True, kw_only=True)
class ReentryBegun(Event):
    """Somebody who reads the citizen's mail asked to come back into the account; they wait until `opens_at`."""

    kind: ClassVar[str] = "reentry-begun"
    opens_at: datetime


@dataclass(frozen=True, kw_only=True)
class ReentryStopped(Event):
    """A way back by e-mail was stopped. `how`: sign-in, page, code, counter, choice, address, locked, disavowed or replaced."""

    kind: ClassVar[str] = "reentry-stopped"
    how: str


@dataclass(frozen=True, kw_only=True)
class AccountRegained(Event):
    """Somebody came back by e-mail after the waiting time; every earlier way to sign in ended."""

    kind: ClassVar[str] = "account-regained"
    citizen: str


@dataclass(frozen=True, kw_only=True)
class ReentryChosen(Event):
    """The citizen chose how the account is given back. `counter_only`: not by e-mail."""

    kind: ClassVar[str] = "reentry-chosen"
    counter_only: bool


@dataclass(frozen=True, kw_only=True)
class HoldBegan(Event):
    """A way to sign in was set up after a recovery code alone, or by a clerk alone (`at_counter`); it waits until `ends_at`."""

    kind: ClassVar[str] = "hold-began"
    ends_at: datetime
    at_counter: bool = False


@dataclass(frozen=True, kw_only=True)
class HoldEnded(Event):
    """What was held back is so no more. `how`: by time, mail, its owner or a second official; or disavowed, then it is gone."""

    kind: ClassVar[str] = "hold-ended"
    how: str
    at_counter: bool = False
