"""Counts reads against the limits of grants, in the transaction that makes the entry of each read."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from consent import grants
from consent.allowances import Allowance, Uses
from consent.tables import grant as table
from core import clock

_COUNT = (
    update(table)
    .where(table.c.grant_id == bindparam("which"))
    .values(
        used=bindparam("n"),
        use_window=bindparam("named"),
        used_in_window=bindparam("n_here"),
        used_at=bindparam("moment", type_=table.c.used_at.type),
    )
)


class Held(dict[tuple[str, int], str]):
    """What `grants.relied_on` says of each (grant ID, version), for a caller who also counts."""

    def __init__(
        self,
        standings: Mapping[tuple[str, int], str],
        counted: Mapping[str, tuple[Allowance, Uses]] | None = None,
    ) -> None:
        super().__init__(standings)
        self._counted = dict(counted or {})
        self._touched: set[str] = set()

    def take(self, grant_id: str | None) -> str:
        """Count one read under a grant; return the rule that refuses it instead, or an empty text."""
        if grant_id is None or grant_id not in self._counted:
            return ""
        (allowance, uses), at = self._counted[grant_id], clock.now()
        refused = uses.refusal(allowance, at)
        if not refused:
            uses.count(allowance, at)
            self._touched.add(grant_id)
        return refused

    def write(self, db: Session) -> None:
        """Write what was counted; the rows are held by the caller's transaction."""
        if self._touched:
            db.execute(_COUNT, [_row(name, self._counted[name][1]) for name in sorted(self._touched)])


def hold(db: Session, pairs: Sequence[tuple[str, int]]) -> Held:
    """Hold the grants that reads rely on, as `grants.relied_on` does, and those with limits for counting.

    A limited grant that anybody else holds is ``locked``: to wait for them would hold up the ledger.
    Whether a read is left is for `take` to say, after a repeated request got its first answer.
    """
    rows, there = grants.held_rows(db, {grant_id for grant_id, _version in pairs})
    limited = {name for name, row in rows.items() if grants.limits(row).checked}
    if limited:
        firm, _there = grants.held_rows(db, limited, to_count=True)
        rows = {name: row for name, row in {**rows, **firm}.items() if name in firm or name not in limited}
    standings = grants.standings(sorted(set(pairs)), rows, there)
    found = {pair: "ok" if state == "used-up" else state for pair, state in standings.items()}
    return Held(
        found, {name: (grants.limits(rows[name]), grants.uses(rows[name])) for name in limited & rows.keys()}
    )


def _row(grant_id: str, uses: Uses) -> dict[str, Any]:
    return {
        "which": grant_id,
        "n": uses.used,
        "named": uses.window,
        "n_here": uses.in_window,
        "moment": uses.at,
    }
