"""The citizen's own rooms, each in a module of its own."""

from consent.pages import (
    acting,
    alerting,
    checking,
    coverage,
    disputing,
    downloads,
    erasing,
    fingerprints,
    overview,
    papers,
    past,
    permissions,
    withheld,
)
from core import web

router = web.together(
    room.router
    for room in (
        overview,
        permissions,
        past,
        checking,
        downloads,
        papers,
        disputing,
        alerting,
        coverage,
        erasing,
        fingerprints,
        acting,
        withheld,
    )
)
