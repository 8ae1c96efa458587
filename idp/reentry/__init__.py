"""Coming back by e-mail: a code to a checked address, a waiting time that the owner can stop, a code at its end."""
