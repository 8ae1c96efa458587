"""The command line `erti`: its words, and nothing else."""

import sys
import traceback
from types import TracebackType

import typer

from service.commands import (
    agencies,
    citizens,
    demo,
    keys,
    ledger,
    passwords,
    run,
    staff,
    store,
    support,
    witness,
)

CRASHED = 70  # as sysexits.h has it for mistakes of a program
app = typer.Typer(
    name="erti",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="One citizen ID, one consent ledger. Start with `erti demo`.\n\nSettings come from `ERTI_` variables and from the TOML "
    "file that `ERTI_CONFIG` names: docs/settings.md has each, docs/operate.md how to run it for real.",
)
app.callback()(store.warn_of_unknown)
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


class _Crash:
    """Gives what nobody foresaw an exit code of its own: 1 is an answer, for some commands a grave one."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _where: TracebackType | None
    ) -> None:
        """Print what happened and leave; exits and interruptions pass."""
        if kind is not None and issubclass(kind, Exception):
            traceback.print_exception(error)
            sys.exit(CRASHED)


def main() -> None:
    """Run the command line."""
    with _Crash():
        app()
