"""A browser without script or pictures: it follows links, keeps cookies and sends forms as they stand in the page."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

MOST_REDIRECTS = 20


@dataclass
class PageForm:
    """One form of a page: where it goes, and its controls with the values a browser would send."""

    id: str
    action: str
    method: str
    controls: list[tuple[str, str]] = field(default_factory=list)  # what goes along unless changed
    offered: dict[str, tuple[str, str]] = field(
        default_factory=dict
    )  # id -> (name, value), boxes and buttons
    named: dict[str, str] = field(default_factory=dict)  # id -> name, fields to fill in


class _Forms(HTMLParser):
    """Collects the forms of a page and its links by id."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[PageForm] = []
        self.links: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self._open: PageForm | None = None
        self._ids: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if given.get("id"):
            self.texts[given["id"]] = ""
        if tag not in ("input", "br", "img", "meta", "link", "hr"):
            self._ids.append((tag, given.get("id", "")))
        if tag == "a" and given.get("id"):
            self.links[given["id"]] = given.get("href", "")
        if tag == "form":
            self._open = PageForm(
                given.get("id", ""), given.get("action", ""), given.get("method", "get").lower()
            )
            self.forms.append(self._open)
        elif self._open is not None and tag in ("input", "button", "textarea", "select"):
            self._control(self._open, tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        while self._ids:
            if self._ids.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        for _, name in self._ids:
            if name:
                self.texts[name] += data

    def _control(self, form: PageForm, tag: str, given: dict[str, str]) -> None:
        name, kind = given.get("name", ""), given.get("type", "submit" if tag == "button" else "text")
        if "disabled" in given:
            return
        if kind in ("checkbox", "radio"):
            form.offered[given.get("id", name)] = (name, given.get("value", "on"))
            if "checked" in given:
                form.controls.append((name, given.get("value", "on")))
        elif kind in ("submit", "image", "button"):
            form.offered[given.get("id", name)] = (name, given.get("value", ""))
        elif name:
            form.named[given.get("id", name)] = name
            form.controls.append((name, given.get("value", "")))


class PlainBrowser:
    """One person's browser. `page` is what it shows; a stop address is where it halts instead of going there."""

    def __init__(self, *, stop_at: str = "", verify: Any = True) -> None:
        self.client: Any = httpx.Client(verify=verify, trust_env=False, timeout=20)
        self.cookies: dict[
            str, dict[str, str]
        ] = {}  # host -> name -> value, ports not told apart, as in a browser
        self.stop_at = stop_at
        self.stopped_at = ""
        self.page: httpx.Response
        self._forms = _Forms()

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    @property
    def url(self) -> str:
        """The address of the page."""
        return str(self.page.url)

    @property
    def links(self) -> list[str]:
        """The ids of the links on the page, from top to bottom."""
        return list(self._forms.links)

    def text(self, element: str) -> str:
        """The text inside the element with this id."""
        return " ".join(self._forms.texts[element].split())

    def has(self, element: str) -> bool:
        """Whether the page has an element with this id."""
        return element in self._forms.texts

    def open(self, url: str) -> None:
        """Go to an address."""
        self._go("GET", url, None)

    def follow(self, link: str) -> None:
        """Follow the link with this id."""
        self._go("GET", urljoin(self.url, self._forms.links[link]), None)

    def press(self, button: str, *, tick: tuple[str, ...] = (), **fields: str) -> None:
        """Send the form that has the button with this id, with `fields` (by id, - as _) filled in and boxes ticked."""
        form = next(form for form in self._forms.forms if button in form.offered)
        values = list(form.controls)
        for given, value in fields.items():
            name = form.named[given.replace("_", "-") if given not in form.named else given]
            values = [pair for pair in values if pair[0] != name] + [(name, value)]
        values += [form.offered[box] for box in tick if form.offered[box] not in values]
        if form.offered[button][0]:
            values.append(form.offered[button])
        target = urljoin(self.url, form.action or self.url)
        if form.method == "get":
            self._go("GET", str(httpx.URL(target, params=values)), None)
        else:
            self._go("POST", target, values)

    def _go(self, method: str, url: str, values: list[tuple[str, str]] | None) -> None:
        came_from = str(self.page.url) if hasattr(self, "page") else ""
        for _ in range(MOST_REDIRECTS):
            if self.stop_at and url.startswith(self.stop_at):
                self.stopped_at = url
                return
            answer = self._send(method, url, values, came_from)
            if not answer.is_redirect:
                self.page = answer
                self._forms = _Forms()
                self._forms.feed(answer.text)
                return
            url, method, values = urljoin(url, answer.headers["location"]), "GET", None
        raise AssertionError(f"more than {MOST_REDIRECTS} redirects, at {url}")

    def _send(
        self, method: str, url: str, values: list[tuple[str, str]] | None, came_from: str
    ) -> httpx.Response:
        host = urlsplit(url).hostname or ""
        jar = self.cookies.setdefault(host, {})
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {}
        content = None
        if values is not None:
            parts = urlsplit(came_from)
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"{parts.scheme}://{parts.netloc}",
            }
            content = urlencode(values).encode()
        answer = self.client.request(method, url, headers=headers, content=content)
        for line in answer.headers.get_list("set-cookie"):
            pair, *rest = line.split(";")
            name, _, value = pair.strip().partition("=")
            if any(part.strip().lower() == "max-age=0" for part in rest) or not value.strip('"'):
                jar.pop(name, None)
            else:
                jar[name] = value
        return answer
