"""The command line `erti`: its words, and nothing else."""

import typer

from service.commands import agencies, citizens, demo, keys, ledger, passwords, run, staff, support, witness

app = typer.Typer(
    name="erti",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="One citizen ID, one consent ledger. Start with `erti demo`.",
)
app.add_typer(citizens.app, name="citizens")
app.add_typer(agencies.agencies_app, name="agencies")
app.add_typer(agencies.clients_app, name="clients")
app.add_typer(keys.app, name="keys")
app.add_typer(ledger.app, name="ledger")
app.add_typer(passwords.app, name="passwords")
app.add_typer(staff.app, name="staff")
app.add_typer(witness.app, name="witness")
app.add_typer(demo.app, name="demo")
app.command("serve")(run.serve)
app.command("worker")(run.work)
app.command("migrate")(run.migrate)
app.command("check")(run.check)
app.command("support")(support.support)


def main() -> None:
    """Run the command line."""
    app()
