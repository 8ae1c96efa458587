"""An Apache of one's own: its configuration, its start and its end, as root or as anybody."""

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from string import Template

from tests.machine import APACHE_MODULES, apache
from tests.ports import wait_for

TEMPLATE = Path(__file__).parent / "apache" / "site.conf.template"
PAGE = '<p id="sub"><!--#echo var="REMOTE_USER" --></p><p id="name"><!--#echo var="OIDC_CLAIM_given_name" --></p>\n'


@contextlib.contextmanager
def apache_at(port: int, *, issuer: str, client_id: str, client_secret: str) -> Iterator[str]:
    """Run Apache on a loopback port as a client of `issuer`; gives its address, ends it afterwards.

    Its folder lies outside pytest's own, which only this user may enter: as root, Apache serves as somebody else.
    """
    folder = Path(tempfile.mkdtemp(prefix="erti-apache-"))
    try:
        _lay_out(folder, port, issuer, client_id, client_secret)
        command = [apache() or "apache2", "-f", str(folder / "apache.conf"), "-D", "FOREGROUND"]
        process = subprocess.Popen(command)
        try:
            wait_for(f"http://localhost:{port}/index.html")
            yield f"http://localhost:{port}"
        finally:
            process.terminate()
            process.wait(10)
    except AssertionError as error:
        log = folder / "error.log"
        raise AssertionError(f"{error}\n{log.read_text('utf-8') if log.exists() else 'no log'}") from error
    finally:
        shutil.rmtree(folder)


def _lay_out(folder: Path, port: int, issuer: str, client_id: str, client_secret: str) -> None:
    (folder / "site" / "private").mkdir(parents=True)
    (folder / "site" / "index.html").write_text("<p>public</p>\n")
    (folder / "site" / "private" / "index.shtml").write_text(PAGE)
    identity = ""
    if os.geteuid() == 0:
        somebody = _somebody()
        identity = f"User {somebody.pw_name}\nGroup #{somebody.pw_gid}"
        folder.chmod(0o755)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, somebody.pw_uid, somebody.pw_gid)
    modules = next(path for path in APACHE_MODULES if (Path(path) / "mod_auth_openidc.so").exists())
    text = Template(TEMPLATE.read_text("utf-8")).substitute(
        folder=folder,
        port=port,
        identity=identity,
        modules=modules,
        issuer=issuer,
        client_id=client_id,
        client_secret=client_secret,
        passphrase=secrets.token_urlsafe(24),
    )
    (folder / "apache.conf").write_text(text)


def _somebody() -> pwd.struct_passwd:
    """An ordinary user for Apache to serve as."""
    for name in ("www-data", "nobody", "apache"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("this machine has no ordinary user for Apache to serve as")
