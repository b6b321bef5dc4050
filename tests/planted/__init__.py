"""Bugs planted on purpose, one at a time, to show that the tests can fail. The switch is an import hook that only tests install."""
