"""What the registers write: files cut into records, records and messages read with care."""
