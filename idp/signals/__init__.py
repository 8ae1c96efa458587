"""Telling agencies: security events (OpenID Shared Signals Framework 1.0), kept until they are acknowledged."""
