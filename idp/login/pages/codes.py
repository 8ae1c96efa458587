"""Recovery codes on paper: the page that shows them once, and the same as a text file."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from core import pages
from core.language import _
from registry_sync import people

TEXT = _(
    "Recovery codes of Erti for the citizen ID {citizen}\n\nWhen your phone is lost, one of these stands in for its code "
    "beside your password.\nWhen all is lost, it lets you set up a new way in, which waits for some days. Each works once.\n"
    "Keep this where you keep important papers, and nowhere that others can read it.\n\n"
    "{codes}\n\nSign in at {issuer}/login\n"
)


def page(
    request: Request, codes: list[str], *, action: str, activated: bool, origins: tuple[str, ...] = ()
) -> Response:
    """Show the codes, made to be printed."""
    return pages.render(
        request,
        "idp/recovery_codes.html",
        codes=codes,
        action=action,
        activated=activated,
        form_action=origins,
    )


def file(request: Request, codes: list[str], citizen_id: str) -> Response:
    """Hand the codes over as a text file, which no cache keeps."""
    issuer = request.app.state.settings.issuer
    text = TEXT.format(citizen=people.grouped(citizen_id), codes="\n".join(codes), issuer=issuer)
    headers = {
        "Content-Disposition": 'attachment; filename="erti-recovery-codes.txt"',
        "Cache-Control": "no-store",
    }
    return PlainTextResponse(str(text), headers=headers)
