"""A faithful, dated copy of what the registries say about people, and which records are one person."""
