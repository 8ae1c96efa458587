"""The command line's words, one module for each noun."""
