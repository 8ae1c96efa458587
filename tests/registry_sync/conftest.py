"""A house with the registers' copy alone: its announcements are listed, its records are made by hand."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.clock import now
from core.database import Database, Parts
from core.events import waiting
from core.settings import Settings
from keys import sealing
from keys.custody import FolderCustody
from keys.ring import Keyring
from registry_sync import api as _every_table  # noqa: F401  (so that the engines' templates have all tables)
from registry_sync.sources import importing
from registry_sync.sources.importing import Counts
from service.demo import country
from service.demo.country import Truth

Person = dict[str, Any]


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


@pytest.fixture
def store(settings: Settings) -> Iterator[Database]:
    """Give a house that holds the registers' copy and nothing above it."""
    database = open_store(settings)
    yield database
    database.close()


@pytest.fixture(scope="session")
def land(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """Give the files of a country of 1,200 people, and the truth about it."""
    folder = tmp_path_factory.mktemp("country")
    return folder, country.write(folder, people=1_200, seed=11)


@pytest.fixture
def load(store: Database, tmp_path: Path) -> Callable[..., Counts]:
    """Give a function that imports records (or raw bytes) as one file."""

    def load(*lines: Person | bytes, source: str = "civil") -> Counts:
        path = tmp_path / "lines"
        written = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        path.write_bytes(b"\n".join(written) + b"\n")
        return importing.import_file(store, path, source=source)

    return load


def somebody(uin: str, given: str = "Nino", surname: str = "Beridze", **fields: Any) -> Person:
    """Return a person record in the DCI shape; `brn` is the birth number, None leaves a field out."""
    brn = fields.pop("brn", f"B-{uin}")
    identifiers = [{"identifier_type": "UIN", "identifier_value": uin}]
    if brn:
        identifiers.append({"identifier_type": "BRN", "identifier_value": brn})
    record = {
        "identifier": identifiers,
        "name": {"given_name": given, "surname": surname},
        "sex": "female",
        "birth_date": "1988-04-17",
        "birth_place": "Kvisheti",
        "last_updated": "2024-01-01",
        **fields,
    }
    return {key: value for key, value in record.items() if value is not None}


def announced(store: Database, chain: str | None = None) -> list[str]:
    """Return the kinds of events waiting for the ledger, in order, of one chain or of all."""
    query = select(waiting.c.kind).order_by(waiting.c.id)
    with store.reading() as db:
        return list(db.execute(query if chain is None else query.where(waiting.c.chain == chain)).scalars())


def today() -> str:
    """Return today's date."""
    return now().date().isoformat()
