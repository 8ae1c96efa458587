"""The page of fingerprints, for those whose letter is older than the log that grows."""

from typing import Any

from consent.ledger import freezing, policy
from core.database import Database

NEXT = "ledger.erti.example/2027"


def test_every_logs_fingerprint_is_shown(client: Any, database: Database) -> None:
    """After the turn of a year both fingerprints stand there, the newest first, each with the file it is of."""
    freezing.freeze(database, origin=NEXT)
    page = client.get("/about/fingerprints", headers={"accept": "text/html"}).text
    listed = client.get("/ledger/logs").json()["logs"]
    texts = [client.get(f"{log['url']}/policy").text for log in listed]
    old, new = (policy.fingerprint(text) for text in texts)
    assert [log["policy"] for log in listed] == [old, new]
    assert client.get("/ledger/policy").text == texts[1]
    assert 0 < page.index(new) < page.index(old)
    assert NEXT in page
    assert "/about/fingerprints" in client.get("/about").text
    assert client.get("/ledger/logs/10001/policy").status_code == 404, (
        "what the law withholds is nobody's business"
    )
