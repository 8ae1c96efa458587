"""Letters and the network between the service and its mail server."""

import pytest
from aiosmtpd.controller import Controller

from core.settings import Settings
from idp.notices import mail
from idp.notices.letters import Fate, Letter
from tests.ports import free_port
from tests.postbox import Postbox

LETTER = Letter(1, 0, "nino@example.org", "en", "passkey-added", {})


@pytest.mark.parametrize(
    ("host", "mode", "taken"),
    [
        ("127.0.0.2", "production", False),
        ("127.0.0.1", "production", True),
        ("127.0.0.2", "development", True),
    ],
)
def test_in_production_no_letter_crosses_a_network_in_clear(host: str, mode: str, *, taken: bool) -> None:
    """A server elsewhere that offers no TLS gets nothing, though it would take it; one on this machine does."""
    box = Postbox()
    server = Controller(box, hostname=host, port=free_port())
    server.start()
    try:
        settings = Settings(
            issuer="https://id.erti.example", mode=mode, smtp_url=f"smtp://{host}:{server.port}"
        )
        assert (mail.send(settings, LETTER) is Fate.SENT) is taken
        assert len(box.letters) == taken
    finally:
        server.stop()
