"""The citizen's offline verifier: one file, standard library and cryptography, nothing of the server's."""
