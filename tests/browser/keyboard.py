"""Going through a page by the Tab key alone: what is reached, in which order, and whether one sees where one is."""

from playwright.sync_api import Page

MOST = 200
# What can be worked with and is shown now; of radio buttons the group is one stop.
_WANTED = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
  .filter(one => one.checkVisibility({visibilityProperty: true}) && !one.disabled && one.type !== "hidden"
    && !(one.type === "radio" && !one.checked && document.querySelector(`input[name="${one.name}"]:checked`)))
  .map((one, number) => (one.dataset.stop = number, one.id || one.outerHTML.slice(0, 80)))"""
_HERE = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const seen = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return {number: Number(one.dataset.stop ?? -1), name: one.id || one.outerHTML.slice(0, 80), ring, seen};
}"""


def complaints(page: Page) -> list[str]:
    """Return what somebody without a mouse would miss (WCAG 2.2, 2.1.1, 2.4.3 and 2.4.7); a dialog must not be open."""
    wanted, found, last = page.evaluate(_WANTED), [], -1
    page.evaluate("document.activeElement.blur(), getSelection().removeAllRanges(), scrollTo(0, 0)")
    page.evaluate(
        "document.body.tabIndex = -1, document.body.focus(), document.body.removeAttribute('tabindex')"
    )
    reached: set[int] = set()
    for _step in range(MOST):
        page.keyboard.press("Tab")
        here = page.evaluate(_HERE)
        if here is None or here["number"] in reached - {last}:  # parts of a date are several steps
            break
        if not here["ring"]:
            found.append(f"no ring: {here['name']}")
        if not here["seen"]:
            found.append(f"out of sight: {here['name']}")
        if here["number"] < last:
            found.append(f"back to an earlier place: {here['name']}")
        last = here["number"]
        reached.add(last)
    return found + [f"not reached: {name}" for number, name in enumerate(wanted) if number not in reached]
