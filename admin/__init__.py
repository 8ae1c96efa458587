"""The console: what staff may see and do, each under their own name and for everybody to check."""
