"""`erti agencies` and `erti clients`: who may ask, with which systems, for what."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from consent import importing
from idp.oidc import clients, profiles
from idp.oidc.registration import invitations
from idp.signals import streams
from service.commands.store import OPERATOR, USAGE, fail, opened, show

agencies_app = typer.Typer(no_args_is_help=True, help="Agencies, their clients and purposes.")
clients_app = typer.Typer(no_args_is_help=True, help="Clients: the systems of agencies.")
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]


@agencies_app.command("import")
def import_agencies(
    file: Annotated[Path, typer.Argument(help="YAML file of agencies, purposes and clients.", exists=True)],
    as_json: Json = False,
) -> None:
    """Load agencies, purposes and clients. All of the file is taken, or none of it."""
    document = _read(file)
    with opened() as database, database.writing() as db:
        counts = importing.load(db, document, actor=OPERATOR)
        secrets = clients.load(db, document, actor=OPERATOR)
        streams.load(db, document, actor=OPERATOR)
    result: dict[str, Any] = {**counts, "clients": len(document.get("clients", [])), "secrets": secrets}
    lines = [", ".join(f"{value} {name}" for name, value in result.items() if name != "secrets")]
    lines += [f"client secret of {name}, shown this once: {secret}" for name, secret in secrets.items()]
    show(result, as_json=as_json, text="\n".join(lines))


@clients_app.command("import")
def import_clients(
    file: Annotated[Path, typer.Argument(help="JSON or YAML file of RFC 7591 client metadata.", exists=True)],
    as_json: Json = False,
) -> None:
    """Load clients; `client_id` and `client_secret` may be preset, to move from another provider."""
    document = _read(file)
    listed = document.get("clients", document if isinstance(document, list) else [document])
    with opened() as database, database.writing() as db:
        secrets = clients.load(db, {"clients": listed}, actor=OPERATOR)
        streams.load(db, {"clients": listed}, actor=OPERATOR)
    lines = [f"{len(listed)} clients"]
    lines += [f"client secret of {name}, shown this once: {secret}" for name, secret in secrets.items()]
    show({"clients": len(listed), "secrets": secrets}, as_json=as_json, text="\n".join(lines))


@clients_app.command("check")
def check(
    client_id: Annotated[str, typer.Argument(help="The client's ID.")],
    profile: Annotated[
        str,
        typer.Option(
            help="Check it against basic, fapi2 or fapi2-message-signing instead of its own profile."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Say in words which setting of a client breaks which rule of RFC 9700 or FAPI 2.0.

    It ends with 1 if a rule is broken that must be kept. A client cannot be registered so in its own profile; what
    another profile would need is what stands between the client and that profile.
    """
    if profile and profile not in profiles.PROFILES:
        raise fail(f"the profile must be one of: {', '.join(profiles.PROFILES)}", USAGE)
    with opened() as database, database.reading() as db:
        client = clients.read(db, client_id)
    against = profile or client.profile
    found = profiles.broken(vars(client), against)
    facts = [
        {"rule": rule.standard, "level": rule.level, "setting": rule.member, "says": str(rule.says)}
        for rule in found
    ]
    lines = [f"{rule.level.upper():6}  {rule.member}: {rule.says} ({rule.standard})" for rule in found]
    whole = f"{client_id} keeps every rule of the profile {against}" if not found else "\n".join(lines)
    show({"client": client_id, "profile": against, "broken": facts}, as_json=as_json, text=whole)
    if any(rule.level == profiles.MUST for rule in found):
        raise typer.Exit(1)


@clients_app.command("invite")
def invite(
    agency: Annotated[str, typer.Argument(help="The agency that the clients will be of.")],
    purpose: Annotated[str, typer.Argument(help="The purpose under which they sign people in.")],
    *,
    more: Annotated[
        list[str] | None,
        typer.Option("--purpose", help="A further purpose that they may ask; repeat for more."),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="A scope in their own name, such as attributes; repeat for more."),
    ] = None,
    uses: Annotated[int, typer.Option(help="How many clients may register with it.")] = 1,
    days: Annotated[int, typer.Option(help="For how many days it can be used.")] = 7,
    as_json: Json = False,
) -> None:
    """Make an initial access token, with which a developer registers clients at /register (RFC 7591).

    It is shown once. The setting `registration` must be `token` or `open`.
    """
    with opened() as database, database.writing() as db:
        made, token = invitations.invite(
            db, agency, sign_in_purpose=purpose, more_purposes=more or (), scopes=scope or (), uses=uses, days=days,
            actor=OPERATOR,
        )  # fmt: skip
    told = {"id": made.id, "token": token, "uses": made.uses, "expires_at": made.expires_at.isoformat()}
    show(told, as_json=as_json, text=f"invitation {made.id}, its token, shown this once: {token}")


@clients_app.command("invitations")
def list_invitations(as_json: Json = False) -> None:
    """List the invitations that can still be used."""
    with opened() as database, database.reading() as db:
        found = invitations.listing(db)
    facts = [
        {"id": one.id, "agency": one.agency, "purpose": one.sign_in_purpose, "uses": one.uses,
         "expires_at": one.expires_at.isoformat()} for one in found
    ]  # fmt: skip
    lines = [
        f"{one.id}  {one.agency}  {one.sign_in_purpose}  {one.uses} left until {one.expires_at:%Y-%m-%d}"
        for one in found
    ]
    show(facts, as_json=as_json, text="\n".join(lines) or "no invitations")


@clients_app.command("uninvite")
def uninvite(
    invitation: Annotated[
        str, typer.Argument(help="The invitation's ID, as `erti clients invitations` shows it.")
    ],
) -> None:
    """Take an invitation back; clients that have registered with it stay."""
    with opened() as database, database.writing() as db:
        ended = invitations.end(db, invitation, actor=OPERATOR)
    if not ended:
        raise fail(f"there is no invitation {invitation} that could be used", USAGE)


def _read(file: Path) -> Any:
    text = file.read_text("utf-8")
    try:
        return json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise fail(f"{file} cannot be read: {error}", USAGE) from error
