"""Who comes to the desk with a child: what a form asks about a parent or guardian, and what of it is missing."""

from collections.abc import Mapping

from consent.cards import DOCUMENTS
from core.language import Lazy, _

FIELDS = ("representative", "their-document", "agreed")


def mistakes(typed: Mapping[str, str]) -> dict[str, Lazy]:
    """Return what is missing about a parent or guardian who is named: the document looked at, and that they agree."""
    errors: dict[str, Lazy] = {}
    if typed["their-document"] not in DOCUMENTS:
        errors["their-document"] = _("Say by which document you know the parent or guardian.")
    if typed["agreed"] != "yes":
        errors["agreed"] = _("Ask whether they agree. Without that the child gets no way in.")
    return errors
