"""A PIN that is chosen on a page, typed twice."""

from core.forms import Posted
from core.language import Lazy, _
from idp.errors import PinUnfit
from idp.login import pin


def twice(form: Posted, *, unlike: tuple[str, ...] = ()) -> tuple[dict[str, str | Lazy], str]:
    """Return what is wrong with a PIN that was typed twice, by field, and its digits."""
    try:
        digits = pin.fit(form.get("new-pin"), unlike=unlike)
    except PinUnfit as problem:
        return {"new-pin": problem.text}, ""
    if digits != pin.read(form.get("new-pin-again")):
        return {"new-pin-again": _("This is not the PIN you typed above. Type it once more.")}, ""
    return {}, digits
