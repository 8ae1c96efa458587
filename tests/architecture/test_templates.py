"""What pages may be made of, so that they hold under the strict content policy and with scripts off."""

import re

import pytest

from tests.architecture import house

TEMPLATES = sorted(
    path for package in house.PACKAGES for path in (house.ROOT / package).glob("templates/**/*.html")
)
SCRIPT = re.compile(r"<script\b(?![^>]*\bsrc=)", re.IGNORECASE)
INLINE = re.compile(r"<style\b|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|javascript:", re.IGNORECASE)
ELSEWHERE = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)\s*=\s*[\"'](?:https?:)?//", re.IGNORECASE
)
POST_FORM = re.compile(r"<form\b[^>]*method\s*=\s*[\"']?post.*?</form>", re.IGNORECASE | re.DOTALL)


def offenders(pattern: re.Pattern[str]) -> list[str]:
    """Return `file:line` of each place in a template where the pattern is found."""
    return [
        f"{house.name(path)}:{text.count(chr(10), 0, match.start()) + 1}"
        for path in TEMPLATES
        if (text := path.read_text(encoding="utf-8"))
        for match in pattern.finditer(text)
    ]


def test_there_are_templates() -> None:
    """The other tests of this file look at something."""
    assert len(TEMPLATES) > 3


@pytest.mark.parametrize("pattern", [SCRIPT, INLINE, ELSEWHERE], ids=["script", "inline", "elsewhere"])
def test_nothing_inline_and_nothing_from_elsewhere(pattern: re.Pattern[str]) -> None:
    """No page holds a script, a style or a handler of its own, or loads anything from another site."""
    assert not offenders(pattern)


def test_scripts_keep_nothing_and_run_nothing_else() -> None:
    """No script of ours stores anything in the browser, makes text into markup or code, or talks to other windows."""
    risky = re.compile(
        r"localStorage|sessionStorage|indexedDB|document\.cookie|\.(?:inner|outer)HTML|insertAdjacentHTML|document\.write"
        r"|\beval\(|new Function|postMessage|__proto__"
    )
    scripts = list((house.ROOT / "core/static").glob("*.js"))
    assert len(scripts) > 3
    assert not [house.name(path) for path in scripts if risky.search(path.read_text(encoding="utf-8"))]


def test_each_form_that_posts_carries_its_token() -> None:
    """Every form sent by POST holds the token that says it came from one of our pages."""
    bare = [
        house.name(path)
        for path in TEMPLATES
        for form in POST_FORM.findall(path.read_text(encoding="utf-8"))
        if "csrf" not in form and 'action="{{ redirect_uri' not in form
    ]
    assert not bare


def test_no_filter_switches_escaping_off() -> None:
    """No template calls a value safe: what people and registries wrote is always escaped."""
    assert not offenders(re.compile(r"\|\s*safe\b|autoescape\s+false"))
