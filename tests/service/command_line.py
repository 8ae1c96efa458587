"""The command line, run in this process on a folder of its own."""

from pathlib import Path

from typer.testing import CliRunner, Result

from service.cli import app


def erti(folder: Path, *words: str, stdin: str = "", **variables: str) -> Result:
    """Run the command line with its data in `folder`."""
    environment = {"ERTI_DATA_DIR": str(folder), "ERTI_DATABASE_URL": "", "COLUMNS": "120", **variables}
    return CliRunner().invoke(app, list(words), input=stdin, env=environment)
