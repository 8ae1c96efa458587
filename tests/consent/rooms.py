"""The citizen's rooms, opened and answered by a browser without pictures."""

import re
from typing import Any


def page(browser: Any, path: str) -> str:
    """Return a page's text; it is there."""
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def post(browser: Any, path: str, text: str, /, **fields: Any) -> Any:
    """Send a page's form."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', text)
    assert token
    return browser.post(path, data={"csrf_token": token.group(1), **fields})
