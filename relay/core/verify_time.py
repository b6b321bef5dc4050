"""Step 15: what timestamp authorities say of the checkpoints (docs/spec/timestamp.md)."""

from __future__ import annotations

import re
from typing import Final

from relay.core.bundle import timestamp_part
from relay.core.errors import Malformed, Unverified
from relay.core.evidence import Evidence, NotShown
from relay.core.limits import FUTURE_SKEW_S, TIMESTAMPS_PER_ANCHOR_MAX
from relay.core.timestamp import Stamp, find_authority, parse_token, verify_token

_PART: Final = re.compile(r"anchors/[0-9]{4}/timestamp.*")


def trusted_time(e: Evidence) -> str:
    """Every token by a pinned authority holds, and every checkpoint that a record rests on has those of enough authorities."""
    e.need_manifest()
    ignored = _read_all(e)
    rested_on = sorted({state.anchor for state in e.records.values() if state.anchor is not None})
    if e.trust.time_quorum and not rested_on:
        raise NotShown("no record rests on a checkpoint that could be stamped")
    for anchor in rested_on:
        held = len(e.stamps.get(anchor, ()))
        if held < e.trust.time_quorum:
            reason = f"{held} pinned authorities stamped checkpoint {anchor}, {e.trust.time_quorum} are needed"
            raise NotShown(reason)
    if not e.trust.authorities:
        return "no authority is pinned" + f"; {ignored} tokens were not considered" * (ignored > 0)
    stamps = [stamp for held in e.stamps.values() for stamp in held]
    said = f"{len(stamps)} tokens of {len({stamp.authority for stamp in stamps})} authorities hold"
    return said + f"; {ignored} of authorities that are not pinned were not considered" * (ignored > 0)


def _read_all(e: Evidence) -> int:
    """Keep what holds; how many tokens are of nobody who is pinned. Raises the first failure after all were examined."""
    ignored = 0
    failures: list[Unverified | Malformed] = []
    known: set[str] = set()
    for anchor in range(len(e.need_manifest().anchors)):
        for number in range(TIMESTAMPS_PER_ANCHOR_MAX):
            name = timestamp_part(anchor, number)
            if name not in e.parts:
                break
            known.add(name)
            try:
                stamp = _token(e, anchor, name)
            except (Unverified, Malformed) as error:
                failures.append(error)
                continue
            if stamp is None:
                ignored += 1
            else:
                e.stamps.setdefault(anchor, []).append(stamp)
    strays = sorted(set(filter(_PART.fullmatch, e.parts)) - known)
    failures.extend(
        Unverified("timestamp", f"{n} belongs to no checkpoint, or one before it is missing") for n in strays
    )
    if failures:
        raise failures[0]
    return ignored


def _token(e: Evidence, anchor: int, name: str) -> Stamp | None:
    """None when its authority is not pinned."""
    token = parse_token(e.part(name))
    found = find_authority(token, e.trust.authorities)
    if found is None:
        return None
    authority, signer = found
    note = e.notes[anchor] if anchor < len(e.notes) else b""
    try:
        if not note:
            raise Unverified("timestamp", "the checkpoint that it stands for could not be read")
        stamp = verify_token(token, note, authority, signer)
        _check_time(e, anchor, stamp, authority.accuracy_ms)
        if any(held.authority == stamp.authority for held in e.stamps.get(anchor, ())):
            raise Unverified("timestamp", f"a second token of {stamp.authority}")
    except Unverified as error:
        raise Unverified("timestamp", f"{name}: {error.reason}") from None
    return stamp


def _check_time(e: Evidence, anchor: int, stamp: Stamp, accuracy_ms: int) -> None:
    """What is stamped was anchored before, and the bundle was sealed after. Raises `Unverified`."""
    slack_ms = FUTURE_SKEW_S * 1000 + accuracy_ms
    if stamp.time_ms < e.anchored_ms.get(anchor, 0) - slack_ms:
        raise Unverified("timestamp", f"{stamp.authority}: is dated before the checkpoint was anchored")
    if stamp.time_ms > e.need_manifest().made_at_s * 1000 + slack_ms:
        raise Unverified("timestamp", f"{stamp.authority}: is dated after the time that this bundle's seal bears")
