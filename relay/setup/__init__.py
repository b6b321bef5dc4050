"""What `courtrelay init` makes: a development certificate authority, identities and keys."""
