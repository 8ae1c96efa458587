"""A client in Node that nobody here wrote, run by a script of npm/: it says what it wants of a browser, and what it learnt."""

import json
import subprocess
from types import TracebackType
from typing import Any, Self

from tests.machine import NPM_FOLDER, node
from tests.service_process import Service


class NodeClient:
    """One run of a script, which speaks with its test as lines.mjs says. A context manager that ends it."""

    def __init__(self, script: str, service: Service, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [node() or "node", str(NPM_FOLDER / script), service.issuer, *arguments],
            env=service.environment | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def heard(self) -> dict[str, Any]:
        """Return what the script says next."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, f"the script ended with {self.process.wait(5)}"
        return dict(json.loads(line))

    def wants(self) -> str:
        """Return the address at which it asks for a sign-in."""
        return str(self.heard()["authorize"])

    def learns(self, address: str = "") -> dict[str, Any]:
        """Hand over the address that the browser was sent back to, if it waits for one; return what the client learnt."""
        if address:
            assert self.process.stdin
            self.process.stdin.write(address + "\n")
            self.process.stdin.flush()
        return dict(self.heard()["result"])
