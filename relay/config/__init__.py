"""Configuration files of the roles: strict TOML, every key known, paths relative to the file."""
