"""Somebody at a browser: opens pages, fills in forms, keeps an app and a passkey."""

import html
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyotp
from fastapi import FastAPI
from sqlalchemy import update
from starlette.testclient import TestClient

from core import clock
from core.sessions import browser_session
from tests.authenticator import Authenticator

ISSUER = "https://id.erti.example"
PASSWORD = "walnut ferry granite lantern"
STEP, ENDING = 30, 3  # seconds
TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')


def code_at(secret: str, now: Callable[[], float], steps_ahead: int = 0) -> str:
    """Return an app's code. An earlier step's is about to be too old where a step ends: then the next one is waited for."""
    if steps_ahead < 0 and (left := STEP - now() % STEP) < ENDING:
        time.sleep(left)
    return pyotp.TOTP(secret).generate_otp(int(now()) // STEP + steps_ahead)


class Person:
    """One person, one browser, one authenticator."""

    def __init__(self, app: FastAPI, address: str) -> None:
        self.browser = TestClient(
            app,
            base_url=ISSUER,
            follow_redirects=False,
            client=(address, 50000),
            headers={"accept": "text/html", "user-agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0"},
        )
        self.device = Authenticator(ISSUER)
        self.page = ""
        self.secret = ""
        self.citizen_id = ""
        self.codes: list[str] = []
        self.used_step = 0

    def close(self) -> None:
        """Close the browser."""
        self.browser.close()

    def open(self, path: str) -> Any:
        """Open a page and remember what it says."""
        answer = self.browser.get(path)
        self.page = answer.text
        return answer

    def send(self, path: str, **fields: str) -> Any:
        """Send a form with the page's token; names are written with `_` for `-` where the form has it."""
        token = TOKEN.search(self.page)
        data = {name.replace("__", "-"): value for name, value in fields.items()}
        answer = self.browser.post(path, data={"csrf_token": token[1] if token else "", **data})
        if answer.status_code != 303:
            self.page = answer.text
        return answer

    def ask(self, path: str, **fields: str) -> Any:
        """Ask for JSON as the page's script does."""
        token = TOKEN.search(self.page)
        return self.browser.post(
            path,
            data={"csrf_token": token[1] if token else "", **fields},
            headers={"accept": "application/json"},
        )

    def tell(self, path: str, answer: str, **headers: str) -> Any:
        """Send JSON as the page's script does."""
        token = TOKEN.search(self.page)
        return self.browser.post(
            path,
            content=answer,
            headers={
                "content-type": "application/json",
                "accept": "application/json",
                "x-csrf-token": token[1] if token else "",
                **headers,
            },
        )

    def options(self) -> str:
        """Return the WebAuthn options that stand in the page."""
        found = re.search(r'data-options="([^"]+)"', self.page)
        assert found, "the page has no options"
        return html.unescape(found[1])

    def text(self, element: str) -> str:
        """Return the text of the first element with an id."""
        found = re.search(rf'id="{element}"[^>]*>(.*?)</', self.page, re.DOTALL)
        assert found, f"the page has no {element}"
        return html.unescape(found[1]).strip()

    def code(self, *, steps_ahead: int = 0) -> str:
        """Return the app's code now, or of another step."""
        return code_at(self.secret, time.time, steps_ahead)

    def begin_activation(self, citizen_id: str, code: str, return_to: str = "/my") -> Any:
        """Give the letter's two numbers."""
        self.open("/activate")
        return self.send("/activate", return_to=return_to, citizen__id=citizen_id, activation__code=code)

    def activate(self, citizen_id: str, code: str, *, name: str = "") -> list[str]:
        """Activate with a password and an app; return the recovery codes."""
        assert self.begin_activation(citizen_id, code).status_code == 303
        self.open("/activate/password")
        assert self.send("/activate/password", username=name, password=PASSWORD).status_code == 303, self.page
        self.open("/activate/app")
        self.secret = self.text("totp-secret").replace(" ", "")
        # The step before this one, so that this one's code can sign in next.
        answer = self.send("/activate/app", totp__code=self.code(steps_ahead=-1))
        assert answer.headers["location"] == "/activate/codes", self.page
        return self.keep_codes()

    def activate_with_passkey(self, citizen_id: str, code: str) -> list[str]:
        """Activate with a passkey; return the recovery codes."""
        assert self.begin_activation(citizen_id, code).status_code == 303
        self.open("/activate/method")
        answer = self.send(
            "/activate/passkey", name="My phone", credential=self.device.create(self.options())
        )
        assert answer.headers["location"] == "/activate/codes", self.page
        return self.keep_codes()

    def add_app(self) -> None:
        """Set up an app for a password that is there, on the account's page."""
        self.open("/my/account")
        assert self.send("/my/account/app/new").headers["location"] == "/my/account/app"
        self.open("/my/account/app")
        self.secret = self.text("totp-secret").replace(" ", "")
        # The step before this one, so that this one's code can sign in next.
        answer = self.send("/my/account/app", totp__code=self.code(steps_ahead=-1))
        assert answer.status_code == 303, self.page

    def keep_codes(self) -> list[str]:
        """Read the recovery codes and say that they are kept."""
        self.open("/activate/codes")
        codes = re.findall(r"<li>([0-9A-Z-]{19})</li>", self.page)
        assert self.send("/activate/codes").status_code == 303
        return codes

    def give_password(self, username: str, password: str = PASSWORD, return_to: str = "/my") -> Any:
        """Send the sign-in form."""
        self.open("/login")
        return self.send("/login", return_to=return_to, username=username, password=password)

    def sign_in(self, username: str, *, steps_ahead: int = 0) -> Any:
        """Sign in with password and code."""
        assert self.give_password(username).headers["location"] == "/login/code"
        self.open("/login/code")
        return self.send("/login/code", totp__code=self.code(steps_ahead=steps_ahead))

    def use_passkey(self, return_to: str = "/my", **lies: Any) -> Any:
        """Sign in with the device's passkey; `lies` go to the authenticator."""
        self.open("/login")
        options = self.ask("/login/passkey/options", return_to=return_to)
        return self.tell("/login/passkey/verify", self.device.get(options.json(), **lies))


def grow_old(database, minutes: int) -> None:
    """Let every sign-in have happened some minutes earlier."""
    with database.writing() as db:
        past = clock.now() - timedelta(minutes=minutes)
        db.execute(update(browser_session).values(auth_time=past))
