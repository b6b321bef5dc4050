"""TUF's rollback, freeze and mix-and-match: old statements with good signatures, shown again or put together anew. Here a
smaller checkpoint, a revoked permission, a key after its end and parts of two states are refused, and no reader takes a format
of another version.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.embedded.proof import verify_quorum
from relay.core.base64strict import b64url_decode
from relay.core.bundle import parse_bundle_manifest, parse_ledger_proof
from relay.core.checkpoint import Checkpoint
from relay.core.completeness import parse_completeness
from relay.core.disclosure import parse_manifest
from relay.core.errors import Conflict, RelayError, Unverified
from relay.core.grants import parse_grant
from relay.core.records import parse_sd_jwt
from relay.core.requests import parse_request
from relay.core.tlogproof import parse_tlog_proof
from relay.core.trust import TrustRoots, parse_trust_roots
from relay.core.verdict import Finding, Verdict
from relay.setup.keys import load_signing_key
from tests.evidence.test_document_parsers import rebuilt
from tests.ledgers.bench import Bench
from tests.regression.refusing import refusal
from tests.services.test_forwarding import note_of
from tests.support.bundles import DAY_MS, Made, make_home, noon_of
from tests.support.lines import small_dossier
from tests.support.links import announced
from tests.support.way import Way, open_way


async def two_states(home: Path) -> bytes:
    """A dossier that was anchored at size 3 and again at size 5: its bundle rests on both checkpoints."""
    async with open_way(home, now_ms=noon_of(home), seed="rollback") as way:
        stored = await way.deposit("loan 1", small_dossier(3))
        await way.forward()
        await way.deposit("loan 1", small_dossier(5))
        await way.forward()
        _, _, data = await way.retrieve(await way.grant(stored.dossier))
        return data


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Made:
    home = make_home(tmp_path_factory.mktemp("rollback") / "home")
    trust = parse_trust_roots((home / "trust.json").read_bytes())
    data = asyncio.run(two_states(home))
    return Made(data=data, trust=trust, seal=load_signing_key(home / "court/keys/seal.pem"), home=home)


async def test_older_checkpoint_is_refused_by_the_court(way: Way) -> None:
    """All of them signed by the log and anchored: the mirror stays where it is, whatever old size is claimed."""
    held = []
    for count in (3, 5, 6):
        await way.deposit("loan 1", small_dossier(count))
        await way.forward()
        held.append(await way.court_store.latest(way.origin))
    assert [h.size for h in held if h] == [3, 5, 6]
    last = await way.mirror.latest(way.origin)
    for old in held[:2]:
        assert old is not None
        for claimed in (0, 3, 5, 6, 7):
            for proof in ([], way.custodian_store.files.consistency_proof(old.size, 6)):
                with pytest.raises(Conflict):
                    await way.mirror.add_checkpoint(announced(old.note, claimed, proof, old.anchor))
    newest = held[2]
    assert newest is not None
    assert await way.mirror.add_checkpoint(announced(newest.note, 6, [], newest.anchor)) == last
    with pytest.raises((Conflict, Unverified)):
        frozen = Checkpoint(origin=way.origin, size=7, root=newest.root)
        await way.mirror.add_checkpoint(announced(note_of(way, frozen), 6, [], newest.anchor))
    assert await way.mirror.latest(way.origin) == last


async def test_older_checkpoint_and_older_grant_statement_change_nothing_on_the_ledger(bench: Bench) -> None:
    first, second = await bench.submission(3), await bench.submission(8, old_size=3)
    receipts = [await bench.court.submit(s) for s in (first, second)]
    for old_size in (0, 3, 8):
        late = await bench.submission(8, old_size=old_size, attempt=9)
        assert await bench.court.submit(late) == receipts[1]
        assert await bench.court.submit(bench.replaced(first, old_size=old_size)) == receipts[0]
    with pytest.raises(Conflict):
        await bench.submission(5, old_size=3)
    assert await bench.court.latest(bench.origin) == receipts[1]
    digest = bytes([7]) * 32
    register, revoke = (bench.statement(action, digest) for action in ("register", "revoke"))
    await bench.court.record_grant(register)
    await bench.court.record_grant(revoke)
    before = await bench.court.grant_state(bench.lender, digest)
    for again in (register, bench.statement("register", digest), revoke):
        await bench.court.record_grant(again)
    assert before.revoked_ms
    assert await bench.court.grant_state(bench.lender, digest) == before


def with_keys(trust: TrustRoots, use: str, **changes: Any) -> TrustRoots:
    """The same pins, the keys of one use changed."""
    return replace(trust, pinned_keys=tuple(replace(k, **changes) if k.use == use else k for k in trust.pinned_keys))


def judged(made: Made, trust: TrustRoots) -> Verdict:
    return replace(made, trust=trust).verify(made.data)


@pytest.mark.parametrize("use", ["record", "log", "grant", "seal", "witness", "custody"])
def test_key_before_its_beginning_or_after_its_end_signs_nothing(made: Made, use: str) -> None:
    """Rotation: what was signed while the key was valid stays good; what bears a time outside is not."""
    key = next(k for k in made.trust.pinned_keys if k.use == use)
    now_ms = noon_of(made.home)
    later = with_keys(made.trust, use, valid_to_ms=now_ms + DAY_MS)
    assert judged(made, later).verdict is Finding.CONSISTENT
    assert judged(made, with_keys(made.trust, use, revoked_from_ms=now_ms + DAY_MS)).verdict is Finding.CONSISTENT
    for changes in (
        {"valid_to_ms": now_ms - DAY_MS},
        {"valid_from_ms": now_ms + DAY_MS, "valid_to_ms": now_ms + 2 * DAY_MS},
        {"revoked_from_ms": now_ms - DAY_MS},
        {"revoked_from_ms": key.valid_from_ms},
    ):
        assert judged(made, with_keys(made.trust, use, **changes)).verdict is Finding.INCONSISTENT, changes


def test_parts_of_an_older_and_a_newer_state_do_not_mix(grown: Made) -> None:
    """Each anchor's files with those of the other, and each anchor left out, sealed again by the court's own key."""
    parts = grown.parts()
    manifest = parse_bundle_manifest(parts["manifest.json"])
    assert [a.size for a in manifest.anchors] == [3, 5]
    assert grown.verify(grown.data).verdict is Finding.CONSISTENT
    for name in ("checkpoint.note", "anchor.json", "receipt.json"):
        old, new = f"anchors/0000/{name}", f"anchors/0001/{name}"
        for mixed in ({old: parts[new]}, {new: parts[old]}, {old: parts[new], new: parts[old]}):
            assert grown.verify(grown.sealed_again({**parts, **mixed})).verdict is Finding.INCONSISTENT, (
                name,
                set(mixed),
            )
    for size in (1, 4, 5):
        anchors = (replace(manifest.anchors[0], size=size), manifest.anchors[1])
        if size < 5:
            assert grown.verify(grown.sealed_again(parts, anchors=anchors)).verdict is Finding.INCONSISTENT
    fewer = {n: d for n, d in parts.items() if not n.startswith("anchors/0001/")}
    for rows in (
        tuple(replace(r, anchor=0) for r in manifest.records),
        tuple(replace(r, anchor=None if r.anchor else 0) for r in manifest.records),
    ):
        data = grown.sealed_again(fewer, anchors=manifest.anchors[:1], records=rows)
        assert grown.verify(data).verdict is not Finding.CONSISTENT


READERS: tuple[tuple[str, Callable[[bytes], Any]], ...] = (
    ("grant.jwt", parse_grant),
    ("request.jwt", parse_request),
    ("disclosure.jwt", parse_manifest),
    ("completeness.jwt", parse_completeness),
    ("records/000000/record.sd-jwt", parse_sd_jwt),
)


def test_document_of_another_version_is_malformed(made: Made) -> None:
    """No reader takes an older form for its own, nor one document for another."""
    parts = made.parts()
    for name, parse in READERS:
        assert parse(parts[name])
        for other, _ in READERS:
            if other != name:
                refusal(parse, parts[other])
        head = parts[name].split(b".")[0]
        header = json.loads(b64url_decode(head, what="", field=""))
        for typ in ("JWT", "v0." + header["typ"], header["typ"].upper(), header["typ"] + "2", ""):
            refusal(parse, rebuilt(parts[name], header={**header, "typ": typ}))
    trust, proof = made.trust.to_json(), parts["records/000000/entry.tlog-proof"]
    for version in (b"v0", b"v2", b"v01", b"V1", b"v1.0", b""):
        refusal(parse_trust_roots, trust.replace(b"courtrelay-trust/v1", b"courtrelay-trust/" + version))
        refusal(parse_tlog_proof, proof.replace(b"tlog-proof@v1", b"tlog-proof@" + version))
        manifest = parts["manifest.json"]
        current = b'"format":"' + json.loads(manifest)["format"].encode()
        refusal(parse_bundle_manifest, manifest.replace(current, current[:-2] + version))
    for version in ("courtrelay-quorum-proof/v2", "courtrelay.org/ledger-block/v0"):
        old = version[:-1] + "1"
        outer = parse_ledger_proof(parts["anchors/0000/anchor.json"], what="proof")
        assert old.encode() in outer.body
        with pytest.raises(RelayError):
            changed = replace(outer, body=outer.body.replace(old.encode(), version.encode()))
            verify_quorum(changed, made.trust.ledger_root(outer.ledger))
