"""The citizen's own rooms, each in a module of its own."""

from fastapi import APIRouter

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

router = APIRouter()
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
):
    router.routes += room.router.routes
