"""What support says about a reference number: each form of the house has words of its own."""

import ast
from datetime import timedelta

import pytest

from admin import advice
from core import clock
from core.refusals import Refusal, new_reference
from idp import accounts
from tests.architecture import house


def forms() -> set[str]:
    """Return the pages that come back with what was wrong, by the calls that render them."""
    found = set()
    for path in house.files("idp", "consent", "admin"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "attr", "") != "render":
                continue
            names = [one.value for one in node.args if isinstance(one, ast.Constant)]
            if {one.arg for one in node.keywords} & {"errors", "wait", "refusal"}:
                found |= {str(name).partition("/")[2].removesuffix(".html") for name in names}
    return found


def of(rule: str) -> str:
    """Return what support says of a form that came back."""
    refusal = Refusal(new_reference(), clock.now() - timedelta(1), "form", rule, "", "/", 400, "")
    return str(advice.on(refusal))


def test_each_form_that_comes_back_has_advice() -> None:
    """For no page of the house does support hear but what the status means, whichever field was wrong."""
    plain = of("nothing: at all")
    assert len(forms()) > 20
    assert not [form for form in forms() if of(f"{form}: some-field") == plain]


@pytest.mark.parametrize("reason", sorted(accounts.MAILED))
def test_a_shut_account_has_advice_for_each_reason(reason: str) -> None:
    """A paused, closing, suspended, guarded or dead person's account is each its own case."""
    assert of(f"shut: {reason}") != of("shut: another")
