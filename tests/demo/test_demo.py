"""`erti demo` leads a newcomer through everything by what it prints, ends cleanly, and keeps its data."""

import contextlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from service.commands.demo import EVENT_EXAMPLES
from service.demo import country
from tests import citizens
from tests.plain_browser import PlainBrowser
from tests.ports import free_port, within
from tests.service.command_line import erti
from tests.service_process import Sample

pytestmark = [pytest.mark.slow]
ROOT = Path(__file__).parents[2]
LAST_WORDS = "Ctrl-C stops all of it"
START_SECONDS = 180
LETTER = re.compile(r"citizen ID (\S+)\s+activation code (\S+)")


class Demo:
    """A demo that runs, and what it has printed."""

    def __init__(self, *arguments: str) -> None:
        # As at a terminal: where the tests run in the background, a shell has it that Ctrl-C is ignored.
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", "demo", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        signal.signal(signal.SIGINT, before)
        self.printed = ""

    def hear_all(self) -> str:
        """Listen until it has said everything it says at the start, or has ended; gives what was printed."""
        assert self.process.stdout
        alarm = threading.Timer(START_SECONDS, self.process.kill)
        alarm.start()
        for line in self.process.stdout:
            self.printed += line
            if LAST_WORDS in line:
                break
        alarm.cancel()
        return self.printed

    def interrupt(self) -> int:
        """Press Ctrl-C; gives the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(40)


@contextlib.contextmanager
def demo(*arguments: str) -> Iterator[Demo]:
    """Run a demo; whatever a failed test leaves of it is ended."""
    running = Demo(*arguments)
    children: list[psutil.Process] = []
    try:
        running.hear_all()
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(running.process.pid).children(recursive=True)
        yield running
    finally:
        running.process.kill()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        running.process.communicate()


@pytest.fixture
def port() -> int:
    """A port followed by two that are free as well."""
    while True:
        first = free_port()
        with contextlib.suppress(OSError, OverflowError):
            for number in (first + 1, first + 2):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number))
            return first


def opened_with(browser: PlainBrowser, url: str, name: str) -> bool:
    """Open a page; whether something of that ID stands on it."""
    browser.open(url)
    return browser.has(name)


def test_a_newcomer_needs_only_what_is_printed(tmp_path: Path, port: int) -> None:
    """From the printed addresses and numbers alone: activate, share, see, stop, be refused; Ctrl-C ends all of it."""
    with demo("--folder", str(tmp_path / "demo"), "--port", str(port), "--people", "40") as running:
        revenue, health, erti = re.findall(r"^\W*(http://localhost:\d+) ", running.printed, re.MULTILINE)[:3]
        letters = LETTER.findall(running.printed)
        assert len(letters) == 4
        browser = PlainBrowser()
        browser.open(revenue)
        browser.follow("sign-in")
        browser.follow("login-activate")
        citizens.activate_here(browser, Sample("", *letters[0]))
        browser.press("consent-allow", tick=("allow-income_bracket",))
        assert browser.url == f"{revenue}/"
        assert "Nino Vashlidze" in browser.text("shared-values")
        browser.open(health)
        browser.follow("sign-in")
        browser.press("consent-allow")
        assert "Nino Vashlidze" in browser.text("shared-values")
        browser.open(f"{erti}/my/history")
        assert "Revenue Service" in browser.text("entries")
        assert "Health Insurance Fund" in browser.text("entries")
        browser.open(f"{erti}/my/sharing")
        browser.follow(next(link for link in browser.links if link.startswith("open-")))
        browser.follow("withdraw-all")
        browser.press("withdraw-confirm")
        stopped = browser.text("stopped")
        portal = revenue if "Revenue" in stopped else health
        assert within(20, partial(opened_with, browser, portal, "shared-refused"))
        assert "Erti told us at" in browser.text("shared-refused")
        browser.open(f"{erti}/my/account/contact")
        browser.press("email-submit", email="nino@example.org")
        assert within(20, lambda: any((tmp_path / "demo" / "mail").glob("*nino@example.org.txt")))
        (letter,) = (tmp_path / "demo" / "mail").glob("*nino@example.org.txt")
        (number,) = re.findall(r"\b(?:\d{8}|\d{4} \d{4})\b", letter.read_text("utf-8"))
        browser.press("code-submit", code=number)
        assert "nino@example.org" in browser.text("reached")
        browser.open(portal)
        browser.press("read-again")
        assert "Refused" in browser.text("shared-refused")
        browser.close()

        see_the_registers_events(tmp_path / "demo", port)
        act_for_a_child(health, letters[3])
        children = psutil.Process(running.process.pid).children(recursive=True)
        assert running.interrupt() == 0
        assert psutil.wait_procs(children, timeout=5)[1] == []
    for number in (port, port + 1, port + 2):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", number))

    with demo("--folder", str(tmp_path / "demo"), "--port", str(port)) as again:
        assert letters[0][0] in again.printed, "the same citizens"
        assert "activated already" in again.printed
        assert LETTER.findall(again.printed) == letters[1:3], "codes that were not used still work"
        for words in (("--port", str(free_port())), ("--port", str(port), "--fresh")):
            with demo("--folder", str(tmp_path / "demo"), *words) as second:
                assert second.process.wait(10) == 1
            assert f"already, at http://localhost:{port}. Stop it" in second.printed
        browser = PlainBrowser()
        browser.open(f"{erti}/readyz")
        browser.close()
        assert again.interrupt() == 0


def see_the_registers_events(folder: Path, port: int) -> None:
    """Every example that `erti demo event --help` gives works as it stands; what is refused says so and exits with 1."""
    truth = country.read_truth(folder / "country")
    for example in EVENT_EXAMPLES:
        words = shlex.split(example.replace("38072135168", truth.showcase[2]))[1:]
        told = erti(folder, *words, "--folder", str(folder), "--port", str(port))
        assert (told.exit_code, told.stdout) == (0, "202 applied\n"), (example, told.output)
    wrong = ("demo", "event", "name-change", truth.showcase[2], "--folder", str(folder), "--port", str(port))
    refused = erti(folder, *wrong)
    assert refused.exit_code == 1, refused.output
    assert "quarantine" in refused.output
    assert erti(folder, "demo", "event", "fire", "1").exit_code == 2
    assert erti(folder, "demo", "--port", "70000").exit_code == 2


def act_for_a_child(health: str, letter: tuple[str, str]) -> None:
    """The parent who is printed signs in at the agency that parents come to, and is asked for whom they are there."""
    browser = PlainBrowser()
    browser.open(health)
    browser.follow("sign-in")
    browser.follow("login-activate")
    citizens.activate_here(browser, Sample("", *letter))
    assert browser.has("for-form")
    browser.close()


def test_a_port_in_use_is_said_in_a_sentence(tmp_path: Path, port: int) -> None:
    """A taken port ends the demo at once, naming the port and what to do, before anything is written."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        with demo("--folder", str(tmp_path / "demo"), "--port", str(port)) as running:
            assert running.process.wait(10) != 0
    assert f"port {port + 1}" in running.printed
    assert "Traceback" not in running.printed
    assert not (tmp_path / "demo").exists()


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path, port: int) -> None:
    """A data folder where a file stands in the way ends the demo with a sentence, not with a traceback."""
    (tmp_path / "file").write_text("in the way")
    with demo("--folder", str(tmp_path / "file" / "demo"), "--port", str(port)) as running:
        assert running.process.wait(10) != 0
    assert "cannot be written" in running.printed
    assert "Traceback" not in running.printed


def test_starting_over_deletes_only_what_the_demo_made(tmp_path: Path, port: int) -> None:
    """`--fresh` on somebody's own folder is refused, and the folder stays as it was."""
    (tmp_path / "precious.txt").write_text("mine")
    with demo("--fresh", "--folder", str(tmp_path), "--port", str(port)) as running:
        assert running.process.wait(10) != 0
    assert "not made by the demo" in running.printed
    assert (tmp_path / "precious.txt").read_text() == "mine"
