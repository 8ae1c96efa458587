"""Who may read what about a citizen, why and until when; the one door; the ledger."""
