"""The plans, the tests and the page that lists them agree."""

import pytest

from tests.certification import listed


@pytest.mark.parametrize("plan", listed.plans().values(), ids=lambda plan: plan.title)
def test_every_module_of_a_plan_has_a_test_or_a_reason(plan: listed.Plan) -> None:
    """A module without a test of ours says why in plans.toml."""
    assert not [name for name in plan.modules if not plan.tests(name) and not listed.modules()[name].excuse]


def test_a_reason_is_given_only_where_it_is_needed() -> None:
    """A module that every plan of it has tests for makes no excuse."""
    idle = [
        one.name
        for one in listed.modules().values()
        if one.excuse
        and all(plan.tests(one.name) for plan in listed.plans().values() if one.name in plan.modules)
    ]
    assert not idle


def test_every_bound_name_is_a_module() -> None:
    """No test is bound to a name that no plan has."""
    assert not listed.unknown()


def test_the_page_is_current() -> None:
    """docs/certification.md says what the plans and the tests say."""
    assert listed.PAGE.read_text("utf-8") == listed.page(), "run: python -m tests.certification.listed"
