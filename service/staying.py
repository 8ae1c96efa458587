"""`/session/…`: how long a browser's session lasts, and letting it go on."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import clock, forms, sessions
from core.sessions import BrowserSession
from core.web import SESSION_COOKIE, Db, Form

router = APIRouter(prefix="/session")


@router.get("/state")
def state(request: Request, database: Db) -> Response:
    """Say how many seconds are left. Asking is no use of the session: it goes by as if nobody had asked."""
    with database.reading() as db:
        return _told(request, sessions.find(db, _token(request)))


@router.post("/extend")
def extend(request: Request, database: Db, form: Form) -> Response:
    """Use the session, if it still lives. It ends when it must in any case, however often this is asked."""
    with database.writing() as db:
        session = sessions.find(db, _token(request))
        return _told(request, sessions.touch(db, session) if session else None)


def _token(request: Request) -> str:
    return request.cookies.get(forms.cookie_name(request, SESSION_COOKIE), "")


def _told(request: Request, session: BrowserSession | None) -> Response:
    content: dict[str, object] = {"signed_in": session is not None, "left": 0, "longest": 0}
    if session:
        ends = sessions.over_at(session, request.app.state.settings)
        at = clock.now()
        content |= {"left": int((ends - at).total_seconds())}
        content |= {"longest": int((session.ends_at - at).total_seconds())}
    return JSONResponse(content, headers={"Cache-Control": "no-store"})
