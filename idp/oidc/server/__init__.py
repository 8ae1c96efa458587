"""Authlib's server core, filled with Erti's clients and tokens: the one place where Authlib is met."""
