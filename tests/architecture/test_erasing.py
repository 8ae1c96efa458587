"""Whoever is erased is named in no table of their account: each table that names a citizen goes, or stands here with its reason."""

from core.database import Base
from idp.tables import OF_SOMEBODY
from service.app import ROUTERS

assert ROUTERS, "with them every table is known"
NAMING = {"citizen", "citizen_id"}
# Whoever adds a line here says what becomes of the rows of who is erased.
ELSEWHERE = {
    "account": "stays, closed and without a name, so that nobody opens it again",
    "account_card_code": "goes with the card",
    "alert_choice": "`consent.alerts.erase`",
    "alert_day": "`consent.alerts.erase`",
    "attribute_document": "`registry_sync.erasure.erase`",
    "card_order": "over soon, and then purged",
    "consent_grant": "what was decided, ended, without a value: the ledger rests on it",
    "desk_sitting": "over soon, and then purged",
    "desk_visit": "over soon, and then purged",
    "dispute": "`consent.disputes.erase`",
    "former_name": "`registry_sync.erasure.erase`",
    "oauth_authorization": "ended by `tokens.end_for_citizen`, and purged",
    "oauth_grant": "goes with what was decided",
    "oauth_logout_notice": "a message under way, purged once it arrived",
    "oauth_pairwise_subject": "a random ID that must never be another's",
    "person": "the citizen ID alone stays, so that it is never another's",
    "person_block": "`registry_sync.erasure.erase`",
    "person_identifier": "`registry_sync.erasure.erase`",
    "person_position": "`registry_sync.erasure.erase`",
    "signal_outbox": "a message under way, purged once it arrived",
    "signal_silence": "what a client wants to hear about an ID",
    "source_record": "`registry_sync.erasure.erase`",
}


def test_each_table_that_names_a_citizen_is_erased_or_says_why_not() -> None:
    """Erasing an account empties every table of it; what stays elsewhere, or goes otherwise, has its reason here."""
    naming = {one.name for one in Base.metadata.sorted_tables if NAMING & set(one.columns.keys())}
    gone = {one.name for one in OF_SOMEBODY}
    assert {"reentry_counter_only", "account_holding", "account_passkey"} <= gone
    assert gone | set(ELSEWHERE) == naming
    assert not gone & set(ELSEWHERE)
