"""The end of a session, as clients ask for it and as they are told of it."""
