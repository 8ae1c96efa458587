"""The five kinds of "no" that the whole house uses; what HTTP makes of them stands in `core.problems`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from core.language import Lazy, _


class Problem(Exception):
    """A refusal with two voices: `text` for whoever asked, `detail` for the log.

    Raising one undoes the transaction it is raised in. `code` is stable and documented in
    docs/errors.md; `text` says what to do next and never holds personal data of another person. `logged` are
    more fields of the log's line, beside `detail`.
    """

    code: ClassVar[str] = "problem"
    text: str | Lazy = _("Something went wrong.")

    logged: Mapping[str, str] = MappingProxyType({})

    def __init__(self, text: str | Lazy | None = None, *, detail: str = "", **facts: object) -> None:
        super().__init__(detail or str(text or self.text))
        if text is not None:
            self.text = text
        self.detail = detail
        self.facts = facts


class Invalid(Problem):
    """What was sent cannot be understood or breaks a stated rule."""

    code = "invalid"
    text = _("Something in the request is not valid. Check it and try again.")


class Refused(Problem):
    """Understood, and not allowed."""

    code = "refused"
    text = _("This is not allowed.")


class Missing(Problem):
    """There is no such thing, or none that the asker may know of."""

    code = "missing"
    text = _("We could not find what you asked for.")


class Conflict(Problem):
    """It clashes with what is already recorded."""

    code = "conflict"
    text = _("This clashes with something already recorded. Load the page again and retry.")


class TooMany(Problem):
    """Too much at once: by this asker, or (`overload`) for the service as a whole.

    `retry_after` is in seconds.
    """

    code = "too-many"
    text = _("Too many attempts. Wait a little and try again.")

    def __init__(
        self,
        text: str | Lazy | None = None,
        *,
        retry_after: int = 1,
        overload: bool = False,
        detail: str = "",
        **facts: object,
    ) -> None:
        super().__init__(text, detail=detail, **facts)
        self.retry_after = retry_after
        self.overload = overload


class StoreAway(TooMany):
    """The database does not answer, or cannot take anything now; what was asked for did not happen."""

    code = "store-away"
    text = _("Something went wrong on our side. Try again in a minute.")
