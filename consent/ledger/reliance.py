"""What a batch asks about the grants and other things that its reads rely on."""

from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy.orm import Session


class Relied(Protocol):
    """What the reads of a batch rely on, held until it commits: (ID, version) -> ok, ended or locked."""

    def __getitem__(self, pair: tuple[str, int], /) -> str: ...

    def take(self, grant_id: str | None) -> str:
        """Count a read under a grant; returns the rule that refuses it, or an empty text."""

    def write(self, db: Session) -> None:
        """Write the counts."""


CheckGrants = Callable[[Session, Sequence[tuple[str, int]]], Relied]
