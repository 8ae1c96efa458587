"""Virtual authenticators of Chromium (WebAuthn level 3, section 11): platform and roaming, honest, stubborn, or copied."""

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, CDPSession, Page

PHONE = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
    "defaultBackupEligibility": True,
    "defaultBackupState": True,
}
KEY = PHONE | {"transport": "usb", "defaultBackupEligibility": False, "defaultBackupState": False}


@dataclass(frozen=True)
class Authenticator:
    """One authenticator beside a page."""

    session: CDPSession
    id: str

    def send(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a command of the protocol's WebAuthn domain about this authenticator."""
        return self.session.send(f"WebAuthn.{command}", {"authenticatorId": self.id, **arguments})

    @property
    def credentials(self) -> list[dict[str, Any]]:
        """The passkeys that it holds."""
        return list(self.send("getCredentials")["credentials"])

    def present(self, *, touched: bool) -> None:
        """From now on its owner is there and touches it when it asks, or is not."""
        self.send("setAutomaticPresenceSimulation", enabled=touched)

    def recognises(self, *, owner: bool) -> None:
        """From now on it recognises its owner's finger, face or PIN, or does not."""
        self.send("setUserVerified", isUserVerified=owner)

    def hold(self, credential: dict[str, Any], **changes: Any) -> None:
        """Hold this passkey in place of the one with the same ID."""
        if any(one["credentialId"] == credential["credentialId"] for one in self.credentials):
            self.send("removeCredential", credentialId=credential["credentialId"])
        self.send("addCredential", credential=credential | changes)

    def pull_out(self) -> None:
        """Take it away."""
        self.send("removeVirtualAuthenticator")


class Reader:
    """What a page's browser reaches authenticators with."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self._session = context.new_cdp_session(page)
        self._session.send("WebAuthn.enable")

    def plug_in(self, kind: dict[str, Any], **changes: Any) -> Authenticator:
        """Put an authenticator of this kind beside the page."""
        made = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": kind | changes})
        return Authenticator(self._session, made["authenticatorId"])
