"""Where a sign-in came from, in words."""

import ipaddress

from core.language import Lazy, _

SHOWN_BITS = 24  # of an IPv4 address; what is kept of an IPv6 one is its /64


def words(network: str, here: str) -> Lazy:
    """Say where a session's network is, seen from the one that the reader is on."""
    if network == here:
        return _("the network you are on now")
    try:
        found = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return _("a network we could not tell")
    wider = found.supernet(new_prefix=SHOWN_BITS) if found.version == 4 else found
    return _("another network: {network}").format(network=wider)
