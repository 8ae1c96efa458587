"""What citizens are told about their accounts and their data, and the ways on which it goes out."""
