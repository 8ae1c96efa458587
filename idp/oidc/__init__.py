"""The OpenID provider: clients, authorization, tokens, UserInfo, and the endpoints that need a token."""
