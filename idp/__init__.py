"""Signing people in, and telling agencies who they are: accounts, sign-in, the OpenID provider, staff."""
