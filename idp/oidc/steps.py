"""The dispatcher: from a request, what was done so far and who is signed in, the one next step."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from consent import assurance, grants, questions
from consent.allowances import STANDING
from consent.mandates import Mandate
from consent.questions import Question
from core import clock, sessions
from idp.oidc import acting
from idp.oidc.acting import Here, Standing


@dataclass(frozen=True)
class Login:
    """Sign in: at all, again (`fresh`), or with at least this assurance."""

    acr: str
    fresh: bool = False


@dataclass(frozen=True)
class Choose:
    """Say whether to go on with the account that is signed in."""


@dataclass(frozen=True)
class Recognise:
    """Say whether the device that asks is one's own (RFC 8628, 5.4)."""


@dataclass(frozen=True)
class ForWhom:
    """Say for whom one is here: for oneself, if that may be, or under one of these mandates.

    `gone` if it was said before, and does not hold any more.
    """

    mandates: tuple[Mandate, ...]
    myself: bool
    gone: bool


@dataclass(frozen=True)
class Consent:
    """Answer a question about a purpose, for whom one is here."""

    question: Question
    standing: Standing


@dataclass(frozen=True)
class Refuse:
    """Go back to the client with an error; `citizen` is about whom, where somebody said no."""

    error: str
    description: str
    citizen: str = ""


@dataclass(frozen=True)
class Issue:
    """Go back to the client with a code: about whom, for these scopes, relying on these grants (ID and version)."""

    scopes: tuple[str, ...]
    grants: tuple[tuple[str, int], ...]
    standing: Standing


Step = Login | Choose | Recognise | ForWhom | Consent | Refuse | Issue


def next_step(db: Session, here: Here) -> Step:
    """Return the first of STEPS that is still to do, or the code. With ``prompt=none`` it is never a page."""
    for look in STEPS:
        step = look(db, here)
        if step is not None:
            return _silently(here, step) if "none" in here.asked.prompt else step
    return _issue(db, here)


def sign_in(_db: Session, here: Here) -> Step | None:
    """A citizen is signed in at this browser; staff sessions do not count."""
    if here.session is None or here.session.kind != sessions.CITIZEN:
        return Login(here.needed)
    return None


def be_the_one_meant(db: Session, here: Here) -> Step | None:
    """Where the request names somebody, it is they who are signed in, or who acts for them (OpenID Connect Core 1.0, 3.1.2.2)."""
    if acting.may_be(db, here):
        return None
    if here.someone.auth_time >= here.began_at:
        return Refuse("login_required", "somebody else signed in than the request names")
    return Login(here.needed, fresh=True)


def choose_account(_db: Session, here: Here) -> Step | None:
    """With ``prompt=select_account`` the person says who they are here, unless they have just signed in."""
    chosen = here.done.chosen == here.someone.subject or here.someone.auth_time >= here.began_at
    return Choose() if "select_account" in here.asked.prompt and not chosen else None


def sign_in_again(_db: Session, here: Here) -> Step | None:
    """The sign-in is as recent as ``prompt=login`` and ``max_age`` want."""
    if here.someone.auth_time >= here.began_at:
        return None
    age = (clock.now() - here.someone.auth_time).total_seconds()
    if "login" in here.asked.prompt or (here.asked.max_age is not None and age > here.asked.max_age):
        return Login(here.needed, fresh=True)
    return None


def reach_the_assurance(_db: Session, here: Here) -> Step | None:
    """The sign-in reached the assurance that client and purposes want; never a lower one silently."""
    return None if assurance.enough(here.someone.acr, here.needed) else Login(here.needed)


def recognise_the_device(_db: Session, here: Here) -> Step | None:
    """Whoever is asked for a device has said that it is theirs, each time: a code may have come from somebody else."""
    return Recognise() if here.asked.device and not here.done.recognised else None


def say_for_whom(db: Session, here: Here) -> Step | None:
    """Whoever may act for others here has said for whom they are, and still may; nobody is represented silently."""
    if acting.standing(db, here) is not None:
        return None
    others, myself = acting.open_to(db, here)
    if not others and not myself:
        return Refuse("login_required", "nobody who may act for whom the request names is signed in")
    return ForWhom(tuple(others), myself, gone=bool(here.done.acting))


def respect_a_no(db: Session, here: Here) -> Step | None:
    """A "no" to the sign-in's own purpose ends the sign-in; a "no" to a further one only leaves it out."""
    if here.asked.purpose and here.done.answers.get(here.asked.purpose.id) == "declined":
        return Refuse("access_denied", "the citizen did not allow it", acting.settled(db, here).citizen)
    return None


def answer_questions(db: Session, here: Here) -> Step | None:
    """Every purpose has the citizen's word: agreed before, or said in this interaction."""
    found = acting.settled(db, here)
    for purpose, names in here.wanted:
        if purpose.id in here.done.answers:
            continue
        question = questions.wanted(
            db,
            citizen=found.citizen,
            purpose=purpose,
            attributes=names,
            again="consent" in here.asked.prompt,
            limits=here.asked.limits.get(purpose.id, STANDING),
            replace=here.asked.action == "replace",
        )
        if question is not None:
            return Consent(question, found)
    return None


def _issue(db: Session, here: Here) -> Step:
    relied = []
    agreed_to = set()
    found = acting.settled(db, here)
    scopes = list(here.asked.scopes)
    for purpose, _names in here.wanted:
        grant = None if purpose.by_law else grants.live(db, citizen=found.citizen, purpose=purpose.id)
        if grant is not None:
            relied.append((grant.grant_id, grant.version))
        agreed = purpose.by_law or (grant is not None and here.done.answers.get(purpose.id) != "declined")
        if agreed and purpose in here.asked.extra:
            scopes.append(f"purpose:{purpose.id}")
        if agreed:
            agreed_to.add(purpose.id)
    if not scopes and not agreed_to:
        return Refuse("access_denied", "the citizen did not allow it", found.citizen)
    return Issue(tuple(scopes), tuple(relied), found)


def _silently(here: Here, step: Step) -> Step:
    if isinstance(step, Login):
        signed_in = here.session is not None and here.session.kind == sessions.CITIZEN and not step.fresh
        if signed_in and here.asked.acr_essential:
            return Refuse("unmet_authentication_requirements", "a stronger sign-in is needed")
        return Refuse("login_required", "nobody is signed in as the request wants")
    if isinstance(step, Choose):
        return Refuse("account_selection_required", "the person has to choose an account")
    if isinstance(step, ForWhom):
        # A client that names somebody learns no more than that it is not they who are signed in.
        guessed = here.asked.subject and here.asked.actor is None
        error = "login_required" if guessed else "interaction_required"
        return Refuse(error, "the person has to say for whom they are here")
    if isinstance(step, Consent | Recognise):
        return Refuse("consent_required", "the citizen has to be asked")
    return step


Look = Callable[[Session, Here], Step | None]
STEPS: tuple[Look, ...] = (
    sign_in,
    be_the_one_meant,
    choose_account,
    sign_in_again,
    reach_the_assurance,
    recognise_the_device,
    say_for_whom,
    respect_a_no,
    answer_questions,
)
