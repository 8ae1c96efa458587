"""What an authorization request has to pass, one check after the other; `authorize.CHECKS` has their order."""
