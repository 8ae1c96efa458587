"""Clients that register themselves (RFC 7591, RFC 7592; OpenID Connect Dynamic Client Registration 1.0)."""
