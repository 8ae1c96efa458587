"""Codes that people copy from paper: drawn without look-alikes, read with tolerance."""

import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: five bits a character, no I, L, O, U
GROUP = 4
_READ_AS = str.maketrans("OIL", "011")


def draw(groups: int) -> str:
    """Draw a random code of groups of four, 20 bits each, as printed: ``7K2M-Q9XD-…``."""
    letters = [secrets.choice(ALPHABET) for _number in range(groups * GROUP)]
    return "-".join("".join(letters[start : start + GROUP]) for start in range(0, len(letters), GROUP))


def read(typed: str) -> str:
    """Return the one spelling of a code as typed: capitals, no separators, O read as 0, I and L as 1."""
    kept = "".join(char for char in typed[:200].upper() if char.isascii() and char.isalnum())
    return kept.translate(_READ_AS)
