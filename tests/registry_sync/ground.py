"""The registers' copy and what stands below it, put together quickly, for tests and the processes they kill."""

from sqlalchemy.orm import Session

from core.database import Database, Parts
from core.settings import Settings
from keys import sealing
from keys.custody import FolderCustody
from keys.ring import Keyring


class Sealer:
    """Seals events under the key of their chain."""

    def seal(self, db: Session, chain: str, plaintext: bytes) -> bytes:
        """Seal one event."""
        return sealing.seal(db, chain, "ledger:2026", plaintext)

    def unseal(self, db: Session, chain: str, sealed: bytes) -> bytes:
        """Open one event."""
        return sealing.unseal(db, chain, "ledger:2026", sealed)


def open_store(settings: Settings) -> Database:
    """Return a database with keys and sealer."""
    keys = Keyring(FolderCustody(settings.data_dir / "keys"))
    return Database(Parts(settings, keys=keys, sealer=Sealer()))
