"""Staff accounts, apart from those of citizens: invited once, signed in with a passkey and nothing else."""
