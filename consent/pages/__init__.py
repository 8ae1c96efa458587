"""The citizen's own rooms, each in a module of its own."""

from fastapi import APIRouter

from consent.pages import alerting, coverage, disputing, downloads, overview, papers, past, permissions

router = APIRouter()
for room in (overview, permissions, past, downloads, papers, disputing, alerting, coverage):
    router.include_router(room.router)
