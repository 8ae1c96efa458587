"""Letters handed to a mail server."""

import smtplib
import ssl
from email.errors import MessageError
from urllib.parse import unquote, urlsplit

import structlog

from core.settings import Settings
from idp.notices import letters
from idp.notices.letters import Fate, Letter

log = structlog.get_logger("erti.mail")
TIMEOUT_SECONDS = 10
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def send(settings: Settings, letter: Letter) -> Fate:
    """Hand a letter to the mail server; tell what came of it. In production nothing crosses a network in clear."""
    server = urlsplit(settings.smtp_url)
    host = server.hostname or "localhost"
    try:
        with (
            smtplib.SMTP_SSL(host, server.port or 465, timeout=TIMEOUT_SECONDS, context=_trusting(settings))
            if server.scheme == "smtps"
            else smtplib.SMTP(host, server.port or 25, timeout=TIMEOUT_SECONDS)
        ) as connection:
            connection.ehlo()
            encrypted = server.scheme == "smtps"
            if not encrypted and connection.has_extn("starttls"):
                connection.starttls(context=_trusting(settings))
                encrypted = True
            bare = settings.mode == "production" and host not in LOOPBACK
            if (server.username or bare) and not encrypted:
                raise smtplib.SMTPNotSupportedError("nothing in clear")
            if server.username:
                connection.login(unquote(server.username), unquote(server.password or ""))
            connection.send_message(letters.compose(settings, letter))
    except (OSError, smtplib.SMTPException, ValueError, MessageError) as error:
        log.warning(
            "mail failed", notice=letter.notice, attempt=letter.attempts + 1, error=type(error).__name__
        )
        return Fate.LATER
    return Fate.SENT


def _trusting(settings: Settings) -> ssl.SSLContext:
    # Only where it is needed: reading the system's certificates costs more than the rest of a letter.
    return ssl.create_default_context(cafile=settings.outbound_ca_file)
