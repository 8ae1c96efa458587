"""Signing citizens in: activation, passkeys, passwords with app codes, recovery, and their pages."""
