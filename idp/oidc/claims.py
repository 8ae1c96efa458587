"""Which attributes a request asks for: the standard scopes, and the `claims` parameter."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LONGEST = 8000
MOST = 100
# OpenID Connect Core 1.0, section 5.4. Names of attributes are the names of claims.
BY_SCOPE: dict[str, tuple[str, ...]] = {
    "profile": (
        "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile",
        "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}  # fmt: skip


class ClaimsUnreadable(ValueError):
    """The `claims` parameter is not what OpenID Connect Core 1.0, section 5.5 describes."""


@dataclass(frozen=True)
class Wish:
    """One claim that is asked for by itself. `values` is empty if any value will do."""

    essential: bool = False
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Claims:
    """A `claims` parameter: what is wished for at UserInfo, and in the ID token."""

    userinfo: Mapping[str, Wish] = field(default_factory=dict)
    id_token: Mapping[str, Wish] = field(default_factory=dict)


def parse(text: str) -> Claims:
    """Read a `claims` parameter (OpenID Connect Core 1.0, 5.5); raises ClaimsUnreadable.

    Members it does not know are left alone, as the standard wants.
    """
    if len(text) > LONGEST:
        raise ClaimsUnreadable("too long")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ClaimsUnreadable("not JSON") from error
    if not isinstance(document, dict):
        raise ClaimsUnreadable("not an object")
    return Claims(_wishes(document, "userinfo"), _wishes(document, "id_token"))


def attributes(scopes: tuple[str, ...], claims: Claims) -> frozenset[str]:
    """Return the names that scopes and claims ask for at UserInfo; the purpose decides which of them exist."""
    by_scope = {name for scope in scopes for name in BY_SCOPE.get(scope, ())}
    return frozenset(by_scope | set(claims.userinfo))


def within(names: list[str], *, agreed: str, scope: str) -> list[str]:
    """Return which of the names agreed to a token still opens whose scope is narrower (RFC 6749, section 6).

    Names that no scope agreed to covers were asked for one by one, and stay.
    """
    nothing = Claims()
    lost = attributes(tuple(agreed.split()), nothing) - attributes(tuple(scope.split()), nothing)
    return [name for name in names if name not in lost]


def _wishes(document: dict[str, Any], member: str) -> dict[str, Wish]:
    found = document.get(member)
    if found is None:
        return {}
    if not isinstance(found, dict) or len(found) > MOST:
        raise ClaimsUnreadable(member)
    return {name: _wish(wish) for name, wish in found.items()}


def _wish(wish: Any) -> Wish:
    if wish is None:
        return Wish()
    if not isinstance(wish, dict):
        raise ClaimsUnreadable("a claim's wish is neither null nor an object")
    essential, values = wish.get("essential", False), wish.get("values", ())
    if not isinstance(essential, bool) or not isinstance(values, list | tuple):
        raise ClaimsUnreadable("essential or values")
    if "value" in wish:
        values = [wish["value"], *values]
    return Wish(essential, tuple(values))
