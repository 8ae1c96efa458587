"""Text messages handed to a gateway: the protocol stands in docs/operate.md."""

import hashlib
import json

import structlog

from core import outbound
from core.outbound import CallRefused
from core.settings import Settings
from idp.notices import letters
from idp.notices.letters import Fate, Letter

log = structlog.get_logger("erti.sms")
NEVER = 422  # this number or this text cannot be sent, now or later


def send(settings: Settings, letter: Letter) -> Fate:
    """Hand a message to the gateway; tell what came of it.

    Only a 2xx with a JSON object that names the message (`id`) counts as taken, so that a proxy's or a portal's
    friendly page loses nothing. The key is the same at each try: the gateway sends what it knows only once.
    """
    key = hashlib.sha256(f"{settings.issuer}\x00{letter.id}".encode()).hexdigest()[:32]
    content = {"to": letter.address, "text": letters.short(settings, letter)}
    headers = {
        "Authorization": f"Bearer {settings.sms_secret.get_secret_value()}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Idempotency-Key": key,
    }
    try:
        answer = outbound.fetch(
            settings,
            "POST",
            settings.sms_url,
            content=json.dumps(content, ensure_ascii=False).encode(),
            headers=headers,
            limit=10_000,
        )
    except CallRefused as error:
        log.warning("sms failed", notice=letter.notice, attempt=letter.attempts + 1, error=error.detail)
        return Fate.LATER
    taken = answer.status // 100 == 2 and _names_it(answer.body)
    if not taken:
        log.warning("sms not taken", notice=letter.notice, attempt=letter.attempts + 1, status=answer.status)
    if answer.status == NEVER:
        return Fate.NEVER
    return Fate.SENT if taken else Fate.LATER


def _names_it(body: bytes) -> bool:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and isinstance(said.get("id"), str) and bool(said["id"])
