"""What HTTP makes of a "no": a page for people, RFC 9457 problem details for programs."""

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import pages, refusals
from core.database import is_away
from core.errors import Conflict, Invalid, Missing, Problem, Refused, StoreAway, TooMany
from core.language import _

log = structlog.get_logger("erti.problems")
STATUS: dict[type[Problem], int] = {Invalid: 400, Refused: 403, Missing: 404, Conflict: 409, TooMany: 429}


def status(problem: Problem) -> int:
    """Return the HTTP status of a problem (RFC 9110, section 15)."""
    if isinstance(problem, TooMany) and problem.overload:
        return 503
    return next((code for kind, code in STATUS.items() if isinstance(problem, kind)), 500)


def answer(request: Request, problem: Problem) -> Response:
    """Answer with a problem: `application/problem+json` unless a browser asked for a page."""
    code = status(problem)
    reference = _reference(request, problem, code)
    log.info(
        "refused",
        code=problem.code,
        status=code,
        detail=problem.detail,
        path=pages.route(request),
        reference=reference,
        **problem.logged,
    )
    headers = {"Cache-Control": "no-store"}
    if isinstance(problem, TooMany):
        headers["Retry-After"] = str(problem.retry_after)
    response = (
        _page(request, problem, code, reference)
        if wants_page(request)
        else _details(problem, code, reference)
    )
    response.headers.update(headers)
    return response


def unexpected(request: Request, error: Exception) -> Response:
    """Answer an error nobody foresaw, without saying more than its reference."""
    log.error("unexpected", error=type(error).__name__, path=pages.route(request), exc_info=error)
    return answer(
        request,
        Problem(_("Something went wrong on our side. Try again in a minute."), detail=type(error).__name__),
    )


def away(request: Request, error: Exception) -> Response:
    """Answer that the database is away, restarting or full: whoever asked may ask again (RFC 9110, section 15.6.4)."""
    if not is_away(error):
        return unexpected(request, error)
    log.error("database away", error=type(error).__name__, path=pages.route(request), reason=str(error)[:200])
    return answer(request, StoreAway(overload=True, retry_after=5, detail=type(error).__name__))


def gone(_request: Request, _error: Exception) -> Response:
    """Answer nobody: the client hung up while its body was read."""
    return Response(status_code=400)


def http(request: Request, error: Exception) -> Response:
    """Answer the framework's own refusals (unknown path, wrong method) in the same two forms."""
    if not isinstance(error, HTTPException):
        return unexpected(request, error)
    kinds: dict[int, Problem] = {
        404: Missing(_("There is no page at this address. Check it, or start from the front page.")),
        405: Invalid(_("This address does not take that kind of request.")),
    }
    response = answer(request, kinds.get(error.status_code, Invalid()))
    response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response


def wants_page(request: Request) -> bool:
    """Tell whether the asker is a person's browser."""
    return "text/html" in request.headers.get("accept", "")


def _reference(request: Request, problem: Problem, code: int) -> str:
    if isinstance(problem, StoreAway):  # which cannot take the note either
        return refusals.new_reference()
    return pages.refused(
        request,
        code=problem.code,
        status=code,
        told=problem.text,
        rule=problem.logged.get("rule", ""),
        client=problem.logged.get("client", ""),
    )


def _page(request: Request, problem: Problem, code: int, reference: str) -> Response:
    return pages.render(
        request, "core/problem.html", status=code, text=problem.text, code=problem.code, reference=reference
    )


def _details(problem: Problem, code: int, reference: str) -> Response:
    content = {
        "type": f"urn:erti:problem:{problem.code}",
        "title": str(problem.text),
        "status": code,
        "reference": reference,
        **{key: value for key, value in problem.facts.items() if isinstance(value, str | int | list)},
    }
    return JSONResponse(content, status_code=code, media_type="application/problem+json")
