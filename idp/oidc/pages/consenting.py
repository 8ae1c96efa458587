"""`/consent`: a citizen reads who asks for what and why, with the values, and decides."""

from fastapi import APIRouter

router = APIRouter()
