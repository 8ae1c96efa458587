"""The levels of assurance in order, and whether one is enough for another."""

LEVELS = ("urn:erti:loa:low", "urn:erti:loa:substantial", "urn:erti:loa:high")


def enough(reached: str, needed: str) -> bool:
    """Tell whether a sign-in at `reached` is enough where `needed` is asked; an unknown level never is."""
    if reached not in LEVELS or needed not in LEVELS:
        return False
    return LEVELS.index(reached) >= LEVELS.index(needed)
