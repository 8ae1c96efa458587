"""What `/my/sessions` and a letter offer whoever was not there: the session meant, and the link."""

import re

from core import sessions
from idp import disavowals
from tests.idp.login.person import Person

NOT_ME = re.compile(r'id="session-not-me-([^"]+)"')
LATE = re.compile(r'href="(/my/sessions/activity/[^"]+)"')


def link_for(database, citizen_id: str, what: str = "passkey-added", **known_facts: str) -> str:
    """Make the address of a link as it stands in a letter."""
    with database.writing() as db:
        return f"/not-me/{disavowals.make(db, citizen_id, what, **known_facts)}"


def sid_of(database, somebody: Person) -> str:
    """Return the public name of a browser's session."""
    with database.reading() as db:
        return sessions.find(db, somebody.browser.cookies["__Host-erti_session"]).sid
