"""The refusals that registration knows (RFC 7591, section 3.2.2; RFC 6750, section 3.1)."""

from typing import Final

REDIRECT_URI: Final = "invalid_redirect_uri"
METADATA: Final = "invalid_client_metadata"
STATEMENT: Final = "invalid_software_statement"
UNAPPROVED: Final = "unapproved_software_statement"
TOKEN: Final = "invalid_token"


class Declined(Exception):
    """A registration that is refused, by a code of the standard; the description is for the client's developer."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description

    @property
    def plain(self) -> str:
        """The description in the characters that an answer may hold (RFC 6749, 5.2)."""
        kept = (sign if " " <= sign <= "~" and sign not in '"\\' else "'" for sign in self.description)
        return "".join(kept)[:1000]
