"""Disclosure profiles as data: `profiles.json` says of every kind whether it opens, with which personal members, and with its payloads."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from relay.core.canonical import Fields, loads_strict
from relay.core.scope import Profile, parse_profile

BYTES_MAX: Final = 1024 * 1024
FILE: Final = "profiles.json"


def read_profiles() -> dict[str, Profile]:
    """Every packaged profile by name. Raises `Malformed` for a file that cannot be understood."""
    data = files("relay.schemas").joinpath(FILE).read_bytes()
    fields = Fields(loads_strict(data, what=FILE, bytes_max=BYTES_MAX), what=FILE)
    return {name: parse_profile(name, fields.value(name)) for name in fields.members(count_max=64)}
