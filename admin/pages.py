"""The console: every room of it, in the order in which addresses are looked through."""

from admin import (
    accounts,
    agencies,
    approving,
    audit,
    cards,
    desk,
    disputes,
    erasures,
    invalidating,
    keys,
    letters,
    overview,
    pad,
    people,
    refusals,
    registry,
    staff,
)
from core import web

router = web.together(
    room.router
    for room in (
        overview,
        accounts,
        agencies,
        approving,
        audit,
        cards,  # like the letters before the desk, whose addresses take any word
        letters,
        desk,
        disputes,
        erasures,
        invalidating,
        keys,
        pad,
        people,
        refusals,
        registry,
        staff,
    )
)
