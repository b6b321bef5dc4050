"""A home whose keys are changed at a moment of its own time, with the tool that an operator uses."""

from __future__ import annotations

from pathlib import Path

from relay.app.keys import KeyFiles, new_key, revoke_key, rotate_key, show_key
from relay.app.trust import read_trust
from relay.core.times import format_utc

ROLES = {
    "record": "custodian", "log": "custodian", "grant": "custodian", "witness": "court", "seal": "court", "request": "court",
    "custody": "court",
}  # fmt: skip
"""Use of a key → the role whose configuration names it."""


def files_of(home: Path) -> KeyFiles:
    return KeyFiles(trust=home / "trust.json", genesis=home / "court-ledger/genesis.json")


def key_file(home: Path, use: str, generation: str = "") -> Path:
    return home / ROLES[use] / "keys" / f"{use}{generation}.pem"


def pin_new_key(home: Path, use: str, since_ms: int, *, overlap_hours: int = 24) -> Path:
    """Make a key and pin it from then on; nobody uses it yet."""
    path = key_file(home, use, "-2")
    new_key(path)
    owners = {key.party for key in read_trust(home / "trust.json").pinned_keys if key.use == use}
    (party,) = [owner for owner in owners if f"/{ROLES[use]}/" in owner]
    rotate_key(files_of(home), use, party, str(path), format_utc(since_ms // 1000), overlap_hours)
    return path


def use_new_key(home: Path, use: str) -> None:
    """The role's configuration names the new key; a court keeps the old request key for the grants bound to it."""
    config = home / ROLES[use] / "config.toml"
    old, new = f'{use} = "keys/{use}.pem"', f'{use} = "keys/{use}-2.pem"'
    if use == "request":
        new += f'\nrequest_old = ["keys/{use}.pem"]'
    text = config.read_text()
    assert text.count(old) == 1
    config.write_text(text.replace(old, new))


def revoke(home: Path, use: str, since_ms: int) -> None:
    """The first key of that use is stolen, and known to be so since then."""
    revoke_key(files_of(home), show_key(str(key_file(home, use)))["kid"], format_utc(since_ms // 1000))
