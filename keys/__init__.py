"""Keys: what signs, what seals, and who holds them."""
