"""The retention policy that comes with the package, or a custodian's own file in its place (docs/spec/erasure.md)."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from relay.core.errors import Malformed
from relay.core.retention import RetentionPolicy, parse_policy

PACKAGED = "retention.v1.json"


def load_policy(path: Path | None, kinds: list[str]) -> RetentionPolicy:
    """The packaged policy when `path` is None. Raises `Malformed` naming the file, also when a kind has no class.

    A policy that forgets a kind is refused and not taken to mean "for ever": that is what a class without years says.
    """
    name = str(path) if path else PACKAGED
    try:
        data = path.read_bytes() if path else files("relay.schemas").joinpath(PACKAGED).read_bytes()
    except OSError as error:
        raise Malformed(name, "", f"cannot be read: {error.strerror}") from None
    try:
        policy = parse_policy(data)
    except Malformed as error:
        raise error.within(name) from None
    missing = sorted(set(kinds) - set(policy.kinds))
    if missing:
        raise Malformed(name, "kinds", f"has no class for {', '.join(missing[:5])}; every record kind needs one")
    return policy
