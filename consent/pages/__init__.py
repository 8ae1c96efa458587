"""The citizen's own rooms, each in a module of its own."""

from fastapi import APIRouter

from consent.pages import overview, papers, past, permissions

router = APIRouter()
for room in (overview, permissions, past, papers):
    router.include_router(room.router)
