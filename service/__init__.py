"""Puts it together: the application, the command line, the worker, migrations and the demo."""
