"""`courtrelay doctor`: checks of a role's configuration, files, store and surroundings without starting it (docs/doctor.md)."""
