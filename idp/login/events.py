"""What a clerk at a counter did about somebody's account, and what an operator did instead."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from core.events import Event


@dataclass(frozen=True, kw_only=True)
class ActivationCodeMade(Event):
    """An activation code was made; any older one stopped working. `origin`: a desk, whose clerk at an office compared the
    person with a document; or an operator on the command line, and then nobody looked at the person.
    """

    kind: ClassVar[str] = "activation-code-made"
    expires_at: datetime
    origin: str
    office: str = ""
    clerk: str = ""
    document: str = ""


@dataclass(frozen=True, kw_only=True)
class OpenedAtCounter(Event):
    """A clerk compared somebody with a document and opened the account that they had paused or were closing."""

    kind: ClassVar[str] = "opened-at-counter"
    office: str
    clerk: str
    document: str


@dataclass(frozen=True, kw_only=True)
class CardOrdered(Event):
    """A clerk began to make a card for somebody at a counter, after a look at a `document` of theirs."""

    kind: ClassVar[str] = "card-ordered"
    office: str
    clerk: str
    document: str
