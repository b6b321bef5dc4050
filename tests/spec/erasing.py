"""Worked example of what an erasure leaves."""

from __future__ import annotations

from relay.core.canonical import dumps
from relay.core.custody import make_event
from relay.core.disclosure import ManifestEntry, make_manifest
from relay.core.jose import parse_jws
from relay.core.tombstone import make_tombstone, tombstone_digest
from tests.spec.actors import BANK, COURT, DOSSIER, DOSSIER_KEY, KEYS, ORIGIN, at, same_bytes
from tests.spec.evidence import claims

CLERK = "spiffe://bank.example/operator/clerk-3"
BASIS = "PIPL art. 47(1): the period of retention has ended"


def tombstone() -> str:
    """Of the example dossier's one record."""
    return make_tombstone(
        iss=BANK,
        origin=ORIGIN,
        dossier=DOSSIER,
        scope="records",
        places=[(0, 1)],
        actor=CLERK,
        basis=BASIS,
        policy="cn-2025",
        policy_sha256="00" * 32,
        iat=at("12:00:00"),
        public_key=KEYS["record"].public,
        sign=KEYS["record"].sign,
    )


def entry() -> str:
    """How a disclosure manifest lists that record, as it stands in the manifest."""
    listed = ManifestEntry(
        seq=0,
        index=1,
        kind="repayment",
        event_time_s=at("08:00:00"),
        status="erased",
        reason=BASIS,
        erased_s=at("12:00:00"),
    )
    manifest = make_manifest(
        iss=BANK,
        aud=COURT,
        grant=bytes(32),
        request=bytes(32),
        dossier=DOSSIER,
        dossier_key=DOSSIER_KEY,
        iat=at("13:00:00"),
        entries=[listed],
        public_key=KEYS["record"].public,
        sign=KEYS["record"].sign,
        tombstones=[tombstone()],
    )
    payload = parse_jws(manifest, what="manifest", typ="courtrelay-disclosure+jwt", bytes_max=1_000_000).payload
    listed_entries = payload["entries"]
    assert isinstance(listed_entries, list)
    return dumps(listed_entries[0]).decode()


def erasing() -> dict[str, str]:
    """Examples of erasure.md."""
    token = tombstone()
    digest = tombstone_digest(token).hex()
    event = make_event(
        at_ms=at("12:00:00") * 1000,
        actor=CLERK,
        action="erase",
        subject={"dossier": DOSSIER, "tombstone": digest},
        outcome="begun",
        detail=BASIS,
        random_bytes=same_bytes(48),
    )
    return {
        "tombstone-claims": claims(token),
        "tombstone-token": token,
        "tombstone-digest": digest,
        "erased-entry": entry(),
        "erase-event": event.decode(),
    }
