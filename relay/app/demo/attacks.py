"""Three attacks by somebody who has more than he should: each on a real bundle or a real ledger, none of them simulated."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from adapters.embedded.blocks import Header, encode_tx, validator_key
from adapters.embedded.genesis import Genesis, read_genesis
from adapters.embedded.proof import KIND, build_proof
from relay.app.adapters import open_court
from relay.app.initialise import ORIGIN, WITNESS
from relay.app.runtime import SystemClock
from relay.config.roles import read_relay
from relay.core.bundle import MANIFEST, SEAL, BundleManifest, manifest_bytes, parse_bundle_manifest
from relay.core.bundlezip import FileSource, content, read_parts
from relay.core.checkpoint import Checkpoint, checkpoint_text, cosign
from relay.core.errors import Malformed, RelayError
from relay.core.ledgerproof import LedgerProof
from relay.core.limits import ENTRY_BYTES
from relay.core.merkle import MemoryTree, leaf_hash
from relay.core.note import Note, VerifierKey, format_note, sign_note
from relay.ports.forwarding import Announcement
from relay.ports.ledgers import Submission
from relay.services.court.bundle_file import StagedPart, listed, write_bundle
from relay.setup.keys import load_signing_key
from relay.transport.channels import channel
from relay.wire.court_client import GrpcCourtLink

ACCEPTED: Final = "ACCEPTED"


def read_bundle(path: Path) -> dict[str, bytes]:
    """Every part of a bundle by name."""
    with path.open("rb") as file:
        source = FileSource(file)
        return {placed.part.name: b"".join(content(source, placed)) for placed in read_parts(source)}


def _rewrite(parts: dict[str, bytes], manifest: BundleManifest, out: Path) -> None:
    """A bundle in order by itself: checksums, digests and manifest fit. Only the court's seal cannot be made again."""
    rest = [StagedPart.of(name, data) for name, data in parts.items() if name not in (MANIFEST, SEAL)]
    fitted = manifest_bytes(replace(manifest, parts=listed(rest)))
    write_bundle(out, [*rest, StagedPart.of(MANIFEST, fitted), StagedPart.of(SEAL, parts[SEAL])])


def change_payload(bundle: Path, out: Path) -> tuple[str, int]:
    """One byte of the biggest payload changed, manifest and checksums repaired. Returns the part and the byte's place."""
    parts = read_bundle(bundle)
    names = [name for name in parts if "/payloads/" in name]
    if not names:
        raise Malformed(str(bundle), "", "holds no payload to change")
    name = max(names, key=lambda one: len(parts[one]))
    place = len(parts[name]) // 2
    data = bytearray(parts[name])
    data[place] ^= 1
    parts[name] = bytes(data)
    _rewrite(parts, parse_bundle_manifest(parts[MANIFEST]), out)
    return name, place


def leave_out(bundle: Path, seq: int, out: Path) -> None:
    """One record removed with all that belongs to it, manifest repaired."""
    parts = {name: data for name, data in read_bundle(bundle).items() if not name.startswith(f"records/{seq:06d}/")}
    manifest = parse_bundle_manifest(parts[MANIFEST])
    records = tuple(record for record in manifest.records if record.seq != seq)
    _rewrite(parts, replace(manifest, records=records), out)


async def forge_history(home: Path, size: int, forge: Callable[[Checkpoint], LedgerProof]) -> dict[str, str]:
    """Another history of the lender's log, offered as if it extended what the court holds (`size` entries).

    The attacker has the lender's log key, the lender ledger's validators and even the court's witness key. Returns what court
    gateway and court ledger answered. `forge` makes the anchor's proof with what was stolen at the lender's ledger.
    """
    tree = MemoryTree([leaf_hash(secrets.token_bytes(ENTRY_BYTES)) for _ in range(size + 1)])
    checkpoint = Checkpoint(origin=ORIGIN, size=size + 1, root=tree.root())
    consistency = tuple(tree.consistency_proof(size, size + 1))
    text = checkpoint_text(checkpoint)
    log = load_signing_key(home / "custodian/keys/log.pem")
    signature = sign_note(text, VerifierKey.ed25519(ORIGIN, log.public_key), log.sign)
    witness = load_signing_key(home / "court/keys/witness.pem")
    cosignature = cosign(
        text, VerifierKey.cosigner(WITNESS, witness.public_key), witness.sign, SystemClock().now_ms() // 1000
    )
    anchor = forge(checkpoint)
    config = read_relay(home / "relay/config.toml")
    answers = {}
    async with channel(config.court, config.common.tls) as opened:
        note = format_note(Note(text=text, signatures=(signature,)))
        announced = Announcement(checkpoint=note, old_size=size, consistency=consistency, anchor=anchor)
        offer = GrpcCourtLink(opened).add_checkpoint(announced)
        answers["court gateway"] = await _answer(offer)
    court = await open_court(config.court_ledger.family, config.court_ledger.settings)
    try:
        submission = Submission(
            checkpoint=format_note(Note(text=text, signatures=(signature, cosignature))),
            old_size=size,
            consistency=consistency,
            anchor=anchor,
            attempt=1,
        )
        answers["court ledger"] = await _answer(court.submit(submission))
    finally:
        await court.close()
    return answers


async def _answer(call: Any) -> str:
    try:
        await call
    except RelayError as refusal:
        return f"{type(refusal).__name__}: {refusal}"
    return ACCEPTED


def forge_anchor(folder: Path, checkpoint: Checkpoint) -> LedgerProof:
    """A block that the lender ledger's own validators sign outside their ledger, with an anchor of this checkpoint."""
    genesis: Genesis = read_genesis(folder / "genesis.json")
    fact = {
        "type": "anchor",
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "sender": "spiffe://courtrelay.example/custodian/lender",
    }
    body = encode_tx(fact)
    header = Header(
        ledger=genesis.ledger,
        height=1_000_000,
        time_ms=SystemClock().now_ms(),
        previous=secrets.token_bytes(32),
        tx_root=MemoryTree([leaf_hash(body)]).root(),
        tx_count=1,
    )
    signers = sorted(genesis.validators, key=lambda v: v.name)[: genesis.threshold]
    signatures = tuple(
        sign_note(
            header.text(),
            validator_key(genesis.ledger, v.name, v.public_key),
            load_signing_key(folder / "validators" / f"{v.name}.pem").sign,
        )
        for v in signers
    )
    block = format_note(Note(text=header.text(), signatures=signatures))
    return LedgerProof(kind=KIND, ledger=genesis.ledger, body=build_proof(block, body, 0, ()))
