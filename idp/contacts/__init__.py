"""Where a citizen is reached: checked e-mail addresses and mobile numbers, and how changes of them are taken back."""
