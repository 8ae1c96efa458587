"""Lets `python -m service` stand for `erti`."""

from service.cli import main

main()
