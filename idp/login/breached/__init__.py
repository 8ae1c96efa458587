"""Passwords that attackers try first: a list of their hashes, how it is read, and how it is made."""
