"""`erti keys`: the keys that sign or that others encrypt to, in four states, and the epochs that wrap all keys."""

from typing import Annotated

import typer
from rich.table import Table

from keys import rotation
from service.commands import epochs
from service.commands.store import OPERATOR, USAGE, fail, opened, out, show

app = typer.Typer(
    no_args_is_help=True, help="Signing keys: list, rotate, revoke. Sealing epochs: `erti keys epoch`."
)
app.add_typer(epochs.app, name="epoch")
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the signing keys, the newest first."""
    with opened() as database, database.reading() as db:
        found = rotation.listing(db)
    if as_json:
        show(
            [{"kid": k.kid, "alg": k.alg, "state": k.state, "changed_at": k.changed_at} for k in found],
            as_json=True,
            text="",
        )
        return
    table = Table("key ID", "algorithm", "state", "since")
    for key in found:
        table.add_row(key.kid, key.alg, key.state, f"{key.changed_at:%Y-%m-%d %H:%M} UTC")
    out.print(table)


@app.command("rotate")
def rotate(
    alg: Annotated[
        str,
        typer.Option(
            help="ES256, RS256, PS256 or EdDSA; ECDH-ES or RSA-OAEP-256 for what is encrypted to us."
        ),
    ] = "ES256",
    now: Annotated[
        bool, typer.Option("--now", help="Sign with the new key at once, not after its announcement.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Publish a new key. It signs after its announcement time, so that every client has seen it; nobody is signed out.

    A key that others encrypt to is used as soon as it is seen, and is replaced at once.
    """
    if alg not in rotation.ALGORITHMS:
        raise fail(f"--alg is one of {', '.join(rotation.ALGORITHMS)}", USAGE)
    encrypts = alg in rotation.ENCRYPTION
    with opened() as database, database.writing() as db:
        verb = rotation.rotate if now or encrypts else rotation.announce
        kid = verb(db, alg, actor=OPERATOR)
    state = "signs from now on" if now else "is published, and signs after its announcement time"
    if encrypts:
        state = "is what others encrypt to from now on"
    show(
        {"kid": kid, "alg": alg, "state": "active" if now or encrypts else "pending"},
        as_json=as_json,
        text=f"{kid} ({alg}) {state}",
    )


@app.command("revoke")
def revoke(
    kid: Annotated[str, typer.Argument(help="The key's ID, as `erti keys list` shows it.")],
    as_json: Json = False,
) -> None:
    """Retire a key at once, as after a theft. Tokens that it signed stop verifying within a second."""
    with opened() as database, database.writing() as db:
        if kid not in {key.kid for key in rotation.listing(db)}:
            raise fail(f"there is no key {kid}; `erti keys list` shows them", USAGE)
        rotation.revoke(db, kid, actor=OPERATOR)
    show({"kid": kid, "state": "retired"}, as_json=as_json, text=f"{kid} is retired")
