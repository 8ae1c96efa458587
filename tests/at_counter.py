"""What a clerk saw before a letter was printed."""

from idp.login.activation import Seen

SEEN = Seen("Hall Vashliani, counter 4", "clerk-4", "passport")
