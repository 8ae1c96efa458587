"""Where a sign-in came from, in words."""

import ipaddress

from sqlalchemy.orm import Session

from core import sessions
from core.language import Lazy, _
from core.sessions import BrowserSession
from core.settings import Settings
from idp import atlas

SHOWN_BITS = 24  # of an IPv4 address; what is kept of an IPv6 one is its /64


def words(settings: Settings, network: str, here: str) -> Lazy:
    """Say where a session's network is, seen from the one that the reader is on, and near which town if that is known."""
    place = near(settings, network)
    if network == here:
        if place in (None, atlas.LOCAL, atlas.UNKNOWN):
            return _("the network you are on now")
        return _("the network you are on now, {near}").format(near=place)
    try:
        found = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return _("a network we could not tell")
    wider = found.supernet(new_prefix=SHOWN_BITS) if found.version == 4 else found
    if place is None:
        return _("another network: {network}").format(network=wider)
    return Lazy("{near} ({network})").format(near=place, network=wider)


def near(settings: Settings, network: str) -> Lazy | None:
    """Say near which town a network is, without naming it; nothing where no places are known."""
    known = atlas.of(settings)
    return known.near(network) if known else None


def of_sid(db: Session, citizen_id: str, sid: str) -> BrowserSession | None:
    """Return the session that something came from, if that is known, it is the citizen's, and it is not over."""
    found = sessions.by_sid(db, sid) if sid else None
    return found if found is not None and found.is_citizens and found.subject == citizen_id else None
