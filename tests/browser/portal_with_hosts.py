"""Runs an example portal on a machine whose names of test hosts lead to loopback, as a hosts file would say.

portal_with_hosts.py PORTAL.py FILE.toml: every name that ends in `.example` is 127.0.0.1 for this process.
"""

import runpy
import socket
import sys
from pathlib import Path
from typing import Any

_resolve = socket.getaddrinfo


def _with_hosts(host: Any, *rest: Any, **named: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    return _resolve("127.0.0.1" if str(name).endswith(".example") else host, *rest, **named)


socket.getaddrinfo = _with_hosts
sys.modules["uvloop"] = None  # it resolves names on its own; asyncio asks `socket`
program = sys.argv[1]
sys.argv = sys.argv[1:]
sys.path.insert(0, str(Path(program).parent))
runpy.run_path(program, run_name="__main__")
