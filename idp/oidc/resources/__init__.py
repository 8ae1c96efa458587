"""What agencies' systems reach with a token of their own: standing reads, citizen IDs, grants."""
