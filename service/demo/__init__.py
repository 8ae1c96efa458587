"""What the demo needs and production does not: an invented country, two agencies, and the runner that starts it all."""
