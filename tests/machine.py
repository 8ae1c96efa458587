"""What some tests need of the machine, and a record of those that could not run without it."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

NPM_FOLDER = Path(__file__).parent / "interop" / "npm"
AICS_FOLDER = Path(__file__).parent.parent / ".venv" / "oracle-aics"
SOFTHSM_LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
APACHE_MODULES = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules")


def chromium() -> str | None:
    """Return the path of the machine's Chromium or Chrome, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def apache() -> str | None:
    """Return the path of Apache if mod_auth_openidc is beside it, or None."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    module = any((Path(folder) / "mod_auth_openidc.so").exists() for folder in APACHE_MODULES)
    return (shutil.which("apache2", path=path) or shutil.which("httpd", path=path)) if module else None


def nginx() -> str | None:
    """Return the path of nginx, or None."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    return shutil.which("nginx", path=path)


def node() -> str | None:
    """Return the path of Node if the clients were installed for it, or None."""
    return shutil.which("node") if (NPM_FOLDER / "node_modules").is_dir() else None


def softhsm() -> str | None:
    """Return the path of the SoftHSM library if its tool is there too, or None."""
    library = next((path for path in SOFTHSM_LIBRARIES if Path(path).exists()), None)
    return library if shutil.which("softhsm2-util") else None


def aics() -> str | None:
    """Return the Python that has the oracle aics-tlog, if it was set up, or None."""
    return str(AICS_FOLDER / "bin" / "python") if (AICS_FOLDER / ".erti-ready").exists() else None


@cache
def strace() -> str | None:
    """Return the path of strace if it may trace here, or None."""
    path = shutil.which("strace")
    tried = path and subprocess.run([path, "-o", os.devnull, "true"], capture_output=True, check=False)
    return path if tried and tried.returncode == 0 else None


@dataclass(frozen=True)
class Need:
    """One thing that may be missing: how to find it, and in words how to get it."""

    find: Callable[[], str | None]
    advice: str


NEEDS = {
    "chromium": Need(chromium, "chromium (Debian: apt install chromium)"),
    "apache": Need(
        apache, "Apache and mod_auth_openidc (Debian: apt install apache2 libapache2-mod-auth-openidc)"
    ),
    "nginx": Need(nginx, "nginx (Debian: apt install nginx-light)"),
    "node": Need(node, "Node 20 or newer with npm (Debian: apt install nodejs npm), then make test again"),
    "softhsm": Need(softhsm, "SoftHSM (Debian: apt install softhsm2)"),
    "go": Need(lambda: shutil.which("go"), "Go 1.19 or newer (Debian: apt install golang-go)"),
    "aics": Need(aics, "the oracle aics-tlog, which make test sets up in .venv/oracle-aics"),
    "strace": Need(strace, "strace (Debian: apt install strace), allowed to trace"),
    "faketime": Need(lambda: shutil.which("faketime"), "faketime (Debian: apt install faketime)"),
}
MARKERS_THAT_NEED = {"browser": "chromium"}


def missing(item: pytest.Item) -> Need | None:
    """Return the first thing that a test needs and this machine lacks."""
    names = [name for marker in item.iter_markers("needs") for name in marker.args]
    names += [need for marker, need in MARKERS_THAT_NEED.items() if item.get_closest_marker(marker)]
    return next((NEEDS[name] for name in names if NEEDS[name].find() is None), None)


class NotRun:
    """Collects the tests that were skipped, says so at the very end, and in strict runs fails for it."""

    def __init__(self, config: pytest.Config, *, strict: bool) -> None:
        self._config = config
        self._strict = strict
        self._skipped: dict[str, list[str]] = {}

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a test whose machine lacks something, with the words that help."""
        if need := missing(item):
            pytest.skip(f"needs {need.advice}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a skipped test under its reason; xdist hands the workers' reports to the main process."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report.nodeid, report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that was skipped as a whole."""
        if report.skipped:
            self._note(report.nodeid, report.longrepr)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail a strict run in which something was not run."""
        if self._strict and self._skipped and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Say what was not run, after pytest's own closing line."""
        if hasattr(self._config, "workerinput"):
            return
        for reason, names in sorted(self._skipped.items()):
            print(f"NOT RUN: {len(names)}, {reason}: {', '.join(sorted(names))}")
        if self._strict and self._skipped:
            print("This counts as a failure, because the run was asked to be strict.")

    def _note(self, name: str, longrepr: object) -> None:
        reason = str(longrepr[2] if isinstance(longrepr, tuple) else longrepr).removeprefix("Skipped: ")
        self._skipped.setdefault(reason, []).append(name)
