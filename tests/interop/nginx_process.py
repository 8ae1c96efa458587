"""An nginx of one's own with the configuration that we document, names, ports and paths put in."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.machine import nginx
from tests.ports import within

DOCUMENTED = Path(__file__).parents[2] / "deploy" / "nginx.conf"
MAIN = """{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{sites}
}}
"""


@contextlib.contextmanager
def nginx_before(service: int, *, port: int, mtls_port: int, chain: Path, key: Path) -> Iterator[None]:
    """Run nginx on two loopback ports in front of a service's port, and end it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="erti-nginx-"))
    try:
        user = "user root;" if os.geteuid() == 0 else ""
        sites = _documented(service, port, mtls_port, chain, key)
        (folder / "nginx.conf").write_text(MAIN.format(user=user, folder=folder, sites=sites))
        log = folder / "error.log"
        command = [nginx() or "nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(log)]
        process = subprocess.Popen(command)
        try:
            assert within(20, (folder / "nginx.pid").exists), log.read_text() if log.exists() else "no log"
            yield
        finally:
            process.terminate()
            process.wait(10)
    finally:
        shutil.rmtree(folder)


def _documented(service: int, port: int, mtls_port: int, chain: Path, key: Path) -> str:
    """The documented file with this test's names, ports and paths; AssertionError if it no longer has its own."""
    text = DOCUMENTED.read_text("utf-8")
    for old, new, times in (
        ("    listen [::]:443 ssl;\n", "", 2),
        ("/etc/erti/tls/chain.pem", str(chain), 2),
        ("/etc/erti/tls/key.pem", str(key), 2),
        ("http://127.0.0.1:8000;", f"http://127.0.0.1:{service};", 2),
        (
            "listen 443 ssl;\n    server_name id.example.gov",
            f"listen 127.0.0.1:{port} ssl;\n    server_name localhost",
            1,
        ),
        (
            "listen 443 ssl;\n    server_name mtls.id.example.gov",
            f"listen 127.0.0.1:{mtls_port} ssl;\n    server_name localhost",
            1,
        ),
    ):
        assert text.count(old) == times, old
        text = text.replace(old, new)
    return text
