"""Files of places as operators bring them, written anew with MaxMind's format."""

from pathlib import Path
from typing import Any

from mmdb_writer import MmdbU16, MMDBWriter
from netaddr import IPSet

GEORGIA = {"iso_code": "GE", "names": {"en": "Georgia", "de": "Georgien"}}
TBILISI = {"country": GEORGIA, "city": {"names": {"en": "Tbilisi", "ka": "თბილისი"}}}
BATUMI = {
    "country": GEORGIA,
    "city": {"names": {"en": "Batumi"}},
    "location": {"accuracy_radius": MmdbU16(20)},
}
VAGUE = {
    "country": GEORGIA,
    "city": {"names": {"en": "Kutaisi"}},
    "location": {"accuracy_radius": MmdbU16(500)},
}
FRANCE = {"country": {"iso_code": "FR", "names": {"en": "France"}}}
SHIP = {"registered_country": {"iso_code": "NO", "names": {"en": "Norway"}}}
CITIES = {
    "31.146.0.0/16": TBILISI,
    "5.152.0.0/17": BATUMI,
    "46.49.0.0/17": VAGUE,
    "2.0.0.0/12": FRANCE,
    "77.88.64.0/18": SHIP,
    "2a02:a000::/32": TBILISI,
}


def write(
    path: Path,
    networks: dict[str, Any] = CITIES,
    *,
    kind: str = "DBIP-City-Lite",
    version: int = 6,
    made_at: int = 0,
) -> Path:
    """Write a file that knows these networks, and return its path; it says of itself that it is of now, or of `made_at`."""
    writer = MMDBWriter(
        version, kind, languages=["en"], description="of a test", ipv4_compatible=version == 6
    )
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    if made_at:
        head, mark, tail = path.read_bytes().rpartition(b"build_epoch")
        size = (
            tail[0] & 0x1F
        )  # a control byte, that of the extended type, and the number (format 2.0, "Output data section")
        path.write_bytes(head + mark + tail[:2] + made_at.to_bytes(size, "big") + tail[2 + size :])
    return path
