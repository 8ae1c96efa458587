"""Asks the witnesses: before the first signature whether they know more, after each for their cosignatures."""

import threading
import time
from collections.abc import Mapping
from concurrent import futures
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import Engine

from consent.ledger import cosigned, note, policy, proofs, quorum, tiles, tree
from consent.ledger.errors import SignerRefused
from consent.ledger.note import BadNote, Checkpoint, Signature
from consent.ledger.quorum import Policy, Witness
from core import clock, outbound
from core.database import Database, Parts
from core.outbound import Answer, CallRefused

log = structlog.get_logger("erti.witnesses")
TRIES = 3
AGAIN_SECONDS = 5.0
_GRANTED, _OTHER_SIZE = 200, 409
_MOST_DIGITS = 20


@dataclass(frozen=True)
class Head:
    """A signed checkpoint that witnesses are asked about: its log's number, when it was signed, and the note."""

    log: int
    at: datetime | None
    note: str

    @property
    def checkpoint(self) -> Checkpoint:
        """The tree it is of."""
        return Checkpoint.parse(note.split(self.note)[0])


@dataclass(frozen=True)
class Heard:
    """What a witness said last: the size it cosigned last, and its line if it cosigned what it was asked."""

    size: int
    line: Signature | None


@dataclass
class _Round:
    """One checkpoint on its way to the witnesses."""

    head: Head
    lines: dict[str, Signature] = field(default_factory=dict)
    kept: int = 0


@dataclass
class _State:
    """What this process knows of the witnesses, log by log."""

    pool: futures.ThreadPoolExecutor
    lock: threading.Lock = field(default_factory=threading.Lock)
    sizes: dict[tuple[int, str], int] = field(default_factory=dict)
    rounds: dict[int, _Round] = field(default_factory=dict)
    asked: dict[tuple[int, str], "futures.Future[Heard | None]"] = field(default_factory=dict)
    vouched: set[int] = field(default_factory=set)
    not_before: dict[tuple[int, str], float] = field(default_factory=dict)


_STATES: WeakKeyDictionary[Engine, _State] = WeakKeyDictionary()
_STATES_LOCK = threading.Lock()


def rule(house: Parts) -> Policy:
    """Who must cosign this house's checkpoints. Raises quorum.BadPolicy."""
    return quorum.of(house.settings.witness_policy)


def cosign(database: Database, head: Head, folder: Path) -> bool:
    """Ask all witnesses at once for a checkpoint; True once its quorum is met and it is published.

    Waits no longer than until the quorum is there, or as long as a setting says; who answers later is heard
    at the next call. A witness that is asked still is not asked again, and one that failed only after a while.
    """
    rules = rule(database.parts)
    if not rules.required:
        return True
    state = _state(database, rules)
    current = state.rounds.get(head.log)
    if current is None or current.head != head:
        current = state.rounds[head.log] = _Round(head)
    _begin(database, state, rules, current)
    until = time.monotonic() + database.parts.settings.witness_seconds
    while True:
        _gather(state, rules, current)
        met = rules.met([rules.witnesses[name].key for name in current.lines])
        open_ = [future for (number, _), future in state.asked.items() if number == head.log]
        left = until - time.monotonic()
        if met or not open_ or left <= 0:
            break
        futures.wait(open_, timeout=left, return_when=futures.FIRST_COMPLETED)
    if met and len(current.lines) > current.kept:
        _publish(database, rules, current, folder)
    return met


def vouch(database: Database, number: int, origin: str, *, last: str | None, size: int) -> None:
    """Before a tree of `size` is signed: make sure that a quorum of witnesses knows nothing larger.

    `last` is the newest note in the database, None before the first. They are asked once in the life of a
    process, by what was signed already; a witness can only be asked with something signed, so for want of
    anything it is the empty tree. Raises SignerRefused, with words for the operator.
    """
    rules = rule(database.parts)
    if not rules.required:
        return
    state = _state(database, rules)
    if number not in state.vouched:
        asked = last or _nothing(database.parts, origin)
        _ask_all(database, state, rules, Head(number, None, asked))
    known = {name: state.sizes.get((number, name)) for name in rules.witnesses}
    _refuse_unless(rules, known, size)
    state.vouched.add(number)


def confirm(database: Database, number: int, origin: str, *, last: str | None) -> None:
    """Make sure that a quorum of witnesses answers now, and cosigned exactly what `last` extends or is.

    For a signer that is adopted, which has no guard file to trust. Raises SignerRefused.
    """
    rules = rule(database.parts)
    if not rules.required:
        return
    state = _state(database, rules)
    asked = Head(number, None, last or _nothing(database.parts, origin))
    agreed = _ask_all(database, state, rules, asked)
    known = {name: state.sizes.get((number, name)) for name in rules.witnesses}
    _refuse_unless(rules, known, asked.checkpoint.size)
    if not rules.met([rules.witnesses[name].key for name in agreed]):
        names = ", ".join(sorted(set(rules.witnesses) - agreed))
        raise SignerRefused(detail=f"the witnesses {names} did not agree to the newest checkpoint")


def _refuse_unless(rules: Policy, known: Mapping[str, int | None], size: int) -> None:
    """Those who know no more than `size` must make the quorum by themselves.

    So one witness that lies cannot stop the ledger, and every quorum that shares a witness with the one that
    cosigned the last published checkpoint can.
    """
    agree = [rules.witnesses[name].key for name, seen in known.items() if seen is not None and seen <= size]
    if rules.met(agree):
        return
    more = {name: seen for name, seen in known.items() if seen is not None and seen > size}
    silent = sorted(name for name, seen in known.items() if seen is None)
    if more:
        seen = ", ".join(f"{name} {count}" for name, count in sorted(more.items()))
        raise SignerRefused(
            detail=f"the ledger has {size} entries, witnesses cosigned more ({seen}): it is an older copy; "
            "`erti ledger recover` brings back what is missing"
        )
    raise SignerRefused(detail=f"too few witnesses answer to know what was signed last: {', '.join(silent)}")


def _state(database: Database, rules: Policy) -> _State:
    with _STATES_LOCK:
        if database.engine not in _STATES:
            most = max(1, 4 * len(rules.witnesses))
            _STATES[database.engine] = _State(futures.ThreadPoolExecutor(most, thread_name_prefix="witness"))
        return _STATES[database.engine]


def _nothing(house: Parts, origin: str) -> str:
    signers = policy.signers(house, origin)[:1]  # without a time: this is no statement about today's tree
    return note.sign(Checkpoint(origin, 0, tree.EMPTY_ROOT), signers, at=0)


def _ask_all(database: Database, state: _State, rules: Policy, head: Head) -> set[str]:
    """Ask every witness and wait; returns the names of those who cosigned."""
    asked = {
        name: state.pool.submit(_ask, database, state, witness, head)
        for name, witness in rules.witnesses.items()
        if witness.url
    }
    futures.wait(asked.values(), timeout=database.parts.settings.witness_seconds)
    return {
        name for name, found in asked.items() if found.done() and (heard := found.result()) and heard.line
    }


def _begin(database: Database, state: _State, rules: Policy, current: _Round) -> None:
    for name, witness in rules.witnesses.items():
        place = current.head.log, name
        rests = time.monotonic() < state.not_before.get(place, 0)
        if witness.url and name not in current.lines and place not in state.asked and not rests:
            state.asked[place] = state.pool.submit(_ask, database, state, witness, current.head)


def _gather(state: _State, rules: Policy, current: _Round) -> None:
    """Take in the answers that came; those to an earlier checkpoint only free their witness."""
    text = note.split(current.head.note)[0]
    for place, future in list(state.asked.items()):
        if place[0] != current.head.log or not future.done():
            continue
        del state.asked[place]
        heard, witness = future.result(), rules.witnesses[place[1]]
        if heard is None or heard.line is None:
            state.not_before[place] = time.monotonic() + AGAIN_SECONDS
            continue
        try:
            note.verify(text, witness.key, heard.line)
        except BadNote:
            continue  # of an earlier checkpoint
        current.lines[witness.name] = heard.line


def _publish(database: Database, rules: Policy, current: _Round, folder: Path) -> None:
    """Keep the cosigned note, then put it where readers find it."""
    head, size = current.head, current.head.checkpoint.size
    at = head.at or clock.now()
    whole = head.note + "".join(current.lines[name].line() for name in sorted(current.lines))
    with database.writing() as db:
        if not cosigned.keep(db, head.log, size, whole, at=at, rule=rules.digest()):
            return
    tiles.replace(folder / "checkpoint", whole.encode())
    current.kept = len(current.lines)


def _ask(database: Database, state: _State, witness: Witness, head: Head) -> Heard | None:
    """Ask one witness (C2SP tlog-witness, add-checkpoint); None if it gave no answer that says anything.

    If it knows another size than we think, it says which, and is asked again with the proof from there.
    """
    new, place = head.checkpoint, (head.log, witness.name)
    with state.lock:
        old = state.sizes.get(place, 0)
    old = min(old, new.size)
    heard: Heard | None = None
    for _try in range(TRIES):
        try:
            answer = _post(database, witness, head, old)
        except (CallRefused, LookupError) as error:
            log.warning("no answer", witness=witness.name, detail=getattr(error, "detail", "rows missing"))
            return None
        if answer.status == _GRANTED:
            heard = _granted(answer, witness, new)
            break
        size = _size(answer)
        if size is None or size == old:
            log.warning("not cosigned", witness=witness.name, answer=answer.status, size=new.size, old=old)
            return None
        heard, old = Heard(size, None), size
        if size > new.size:
            break
    if heard is not None:
        with state.lock:
            state.sizes[place] = heard.size
    return heard


def _post(database: Database, witness: Witness, head: Head, old: int) -> Answer:
    with database.reading() as db:
        steps = proofs.consistency(db, head.log, old, head.checkpoint.size)
    lines = "".join(f"{note.encode(step)}\n" for step in steps)
    return outbound.fetch(
        database.parts.settings,
        "POST",
        f"{witness.url}/add-checkpoint",
        content=f"old {old}\n{lines}\n{head.note}".encode(),
        headers={"Content-Type": "text/plain; charset=utf-8"},
        seconds=database.parts.settings.witness_seconds,
    )


def _granted(answer: Answer, witness: Witness, new: Checkpoint) -> Heard | None:
    """The witness's own line, verified; lines of other keys are passed over."""
    try:
        for line in note.parse_lines(answer.body.decode()):
            if (line.name, line.key_id) == (witness.key.name, witness.key.key_id):
                note.verify(new.text(), witness.key, line)
                return Heard(new.size, line)
    except (BadNote, UnicodeDecodeError):
        pass
    log.warning("a cosignature that does not hold", witness=witness.name, size=new.size)
    return None


def _size(answer: Answer) -> int | None:
    """The size in an answer that says another one is known."""
    text = answer.body[: _MOST_DIGITS + 1].decode("latin-1").removesuffix("\n")
    known = text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS
    return int(text) if answer.status == _OTHER_SIZE and known else None
