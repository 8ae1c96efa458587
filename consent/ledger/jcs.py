"""RFC 8785 (JCS) for records: as `rfc8785` writes it, ten times as fast for what records are made of."""

import json
from typing import Any

import rfc8785

_LARGEST = 2**53 - 1
_write = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), sort_keys=True, check_circular=False
).encode


def dumps(value: Any) -> bytes:
    """The canonical form of a JSON value. Raises ValueError for what has none.

    The standard library writes text and whole numbers as JCS wants them, and sorts names by code point, which is
    JCS's order where they are ASCII. Everything else is left to `rfc8785`.
    """
    if _simple(value):
        return _write(value).encode()
    written: bytes = rfc8785.dumps(value)
    return written


def _simple(value: Any) -> bool:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is dict:
        for name, held in value.items():
            if type(name) is not str or not name.isascii() or not (type(held) is str or _simple(held)):
                return False
        return True
    if kind is list:
        return all(map(_simple, value))
    return kind is int and -_LARGEST <= value <= _LARGEST
