"""The citizen's own rooms, each in a module of its own."""

from fastapi import APIRouter

from consent.pages import overview, past, permissions

router = APIRouter()
for room in (overview, permissions, past):
    router.include_router(room.router)
