"""`erti staff`: the first two people."""

from typing import Annotated

import typer

from idp.staff import accounts
from service.commands.store import OPERATOR, opened, settings, show

app = typer.Typer(no_args_is_help=True, help="Staff: apart from citizens, with passkeys and roles.")


@app.command("bootstrap")
def bootstrap(
    names: Annotated[list[str], typer.Argument(help="Names of the first two people.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")] = False,
) -> None:
    """Invite the first two people. Works only while there is no staff; each invitation works once.

    Again for the same two, before either has joined, it makes new links and the earlier ones stop working.
    """
    found = settings()
    with opened(found) as database, database.writing() as db:
        invitations = accounts.bootstrap(db, names, actor=OPERATOR)
    links = {
        name: f"{found.issuer}/staff/join?invitation={invitation}"
        for name, invitation in zip(names, invitations, strict=True)
    }
    text = "\n".join(f"{name}: {link}" for name, link in links.items())
    show(
        links,
        as_json=as_json,
        text=f"{text}\nHand each person their own link; it makes their passkey and works once.",
    )
