"""The list of breached passwords: a file of shortened hashes, mapped into memory and shared by all processes."""

import hashlib
import mmap
import struct
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from core.settings import Settings
from idp.errors import BreachedListWrong

SHIPPED: Final = Path(__file__).parent / "common.bin"
MAGIC: Final = b"ERTIPWD1"
HEAD: Final = struct.Struct("<8sQB15x")
BUCKETS: Final = 65_536
OFFSETS: Final = struct.Struct(f"<{BUCKETS + 1}I")
TAIL_BYTES: Final = range(2, 7)
MOST: Final = 2**32 - 1


class Listed:
    """One list, open for looking passwords up; docs/passwords.md has its format.

    A header of 32 bytes (MAGIC, u64 count of hashes, u8 bytes of a tail, zeroes), then for each value of a SHA-1's first two
    bytes, and one past the last, a u32 that says how many hashes come before it, then the tails: the bytes after
    those two, in ascending order within each bucket. Numbers are little-endian.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._bytes: bytes | mmap.mmap = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise BreachedListWrong(detail=f"{path}: {error.strerror}") from error
        except ValueError as error:  # an empty file cannot be mapped
            raise BreachedListWrong(detail=f"{path}: the file is empty") from error
        if problem := self._problem():
            raise BreachedListWrong(detail=f"{path}: {problem}")

    def __len__(self) -> int:
        return self._count

    def __contains__(self, password: str) -> bool:
        """Tell whether a whole password is listed: as typed, in its one spelling (NFKC), and in small letters
        with and without blanks."""
        return any(self._holds(digest) for digest in digests(password))

    @property
    def size(self) -> int:
        """The length of the file in bytes."""
        return len(self._bytes)

    @property
    def mistaken(self) -> float:
        """How likely it is that a hash is found that nobody put in."""
        return self._count / float(1 << (16 + 8 * self._width))

    def _problem(self) -> str:
        """Return what is wrong with the file's form, or nothing: all that keeps `_holds` within its bounds."""
        if len(self._bytes) < HEAD.size + OFFSETS.size:
            return "too short for a list of passwords"
        head: tuple[bytes, int, int] = HEAD.unpack_from(self._bytes)
        magic, self._count, self._width = head
        if magic != MAGIC:
            return "not a list made by `erti passwords build`"
        if self._width not in TAIL_BYTES:
            return f"tails of {self._width} bytes are not known"
        self._tails = HEAD.size + OFFSETS.size
        if len(self._bytes) != self._tails + self._count * self._width:
            return "cut short, or longer than it says"
        offsets = OFFSETS.unpack_from(self._bytes, HEAD.size)
        if offsets[0] != 0 or offsets[-1] != self._count or list(offsets) != sorted(offsets):
            return "its table of contents is broken"
        return ""

    def _holds(self, digest: bytes) -> bool:
        place = HEAD.size + 4 * int.from_bytes(digest[:2], "big")
        low, high = struct.unpack_from("<2I", self._bytes, place)
        wanted, width = digest[2 : 2 + self._width], self._width
        while low < high:
            middle = (low + high) // 2
            start = self._tails + middle * width
            tail = self._bytes[start : start + width]
            if tail == wanted:
                return True
            low, high = (middle + 1, high) if tail < wanted else (low, middle)
        return False


def digests(password: str) -> Iterator[bytes]:
    """Yield the hashes under which a password may stand in a list: lists hold passwords as they were stolen, or folded."""
    normal, small = unicodedata.normalize("NFKC", password), folded(password)
    for spelling in dict.fromkeys((password, normal, small, "".join(small.split()))):
        yield digest(spelling.encode("utf-8", "surrogatepass"))


def folded(password: str) -> str:
    """Return a password without what makes no difference to who guesses it: NFKC, case folded, NFKC again."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", password).casefold())


def digest(content: bytes) -> bytes:
    """Hash as published lists do; nothing rests on its strength, as nothing is proved with it."""
    return hashlib.sha1(content, usedforsecurity=False).digest()


def of(settings: Settings) -> Listed:
    """Return the list that the settings name, or the one that comes with Erti; raises BreachedListWrong."""
    return _opened(settings.breached_passwords or SHIPPED)


@lru_cache(maxsize=8)
def _opened(path: Path) -> Listed:
    return Listed(path)
