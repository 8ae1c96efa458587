"""The consent ledger: an append-only tree of what was read, with a chain and a proof for every citizen."""
