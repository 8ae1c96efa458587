"""Resolve pyproject.toml into the two hashed lock files, with uv in an environment of its own."""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = {"requirements.lock": ("build",), "requirements-test.lock": ("build", "test")}


def main(arguments: list[str]) -> None:
    """Write both lock files; `--upgrade` takes the newest versions allowed, otherwise what is locked stays.

    The files name no index, so that each machine takes packages from wherever it always does.
    """
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "uv"], check=True)
        for name, extras in LOCKS.items():
            command: list[str | Path] = [
                python,
                "-m",
                "uv",
                "pip",
                "compile",
                "pyproject.toml",
                "--universal",
            ]
            command += [
                "--python-version",
                "3.11",
                "--generate-hashes",
                "--no-emit-index-url",
                "--no-annotate",
            ]
            command += ["--quiet", "--custom-compile-command", "make lock", "--output-file", name, *arguments]
            for extra in extras:
                command += ["--extra", extra]
            subprocess.run(command, check=True, cwd=ROOT)
            sys.stdout.write(f"{name} is written\n")


if __name__ == "__main__":
    main(sys.argv[1:])
