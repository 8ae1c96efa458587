"""How data of the registers gets here: files for now."""
