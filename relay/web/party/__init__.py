"""Pages of an invited party, and of the clerk who invites."""
