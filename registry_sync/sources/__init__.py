"""The registers that data comes from: how each writes its records, and how its files are read."""
