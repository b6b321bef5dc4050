"""BNB token hub (6 October 2022): a node's second field was accepted and left out of its hash, so it could say anything. Here
every field of a proof, found by reflection and changed alone, changes the outcome: no field of evidence is decoration.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from relay.core.base64strict import b64decode, b64encode
from relay.core.canonical import dumps
from relay.core.checkpoint import Checkpoint, checkpoint_text, parse_checkpoint
from relay.core.checks import check_log_signature, check_witnesses
from relay.core.merkle import MemoryTree, leaf_hash, verify_inclusion
from relay.core.note import Note, Signature, format_note
from relay.core.package import Package, check_proof, check_shape
from relay.core.tlogproof import TlogProof, format_tlog_proof, parse_tlog_proof
from relay.core.verdict import Finding
from tests.regression.refusing import refusal
from tests.support.bundles import DAY_MS, Made, noon_of

PROOFS = ("grant-registered.json", "anchors/0000/anchor.json", "anchors/0000/receipt.json")


def others(value: Any) -> Iterator[Any]:
    """Values of the same type, and every value with one thing inside it changed."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            for other in others(getattr(value, field.name)):
                yield dataclasses.replace(value, **{field.name: other})  # type: ignore[type-var]
    elif isinstance(value, bool) or value is None:
        yield b"" if value is None else not value
    elif isinstance(value, int):
        yield from (value + 1, value ^ 0x100, 2 * value + 2)
    elif isinstance(value, bytes):
        yield from (bytes(len(value)), bytes([value[0] ^ 1]) + value[1:], value[:-1] + bytes([value[-1] ^ 0x80]))
    elif isinstance(value, str):
        yield from (value + "x", value[:-1], ("b" if value[:1] == "a" else "a") + value[1:])
    elif isinstance(value, dict):
        for name in value:
            yield {n: v for n, v in value.items() if n != name}
            yield from ({**value, name: other} for other in others(value[name]))
    else:
        yield from (value[:i] + value[i + 1 :] for i in range(len(value)))
        for i, item in enumerate(value):
            yield from (value[:i] + type(value)((other,)) + value[i + 1 :] for other in others(item))


@pytest.mark.parametrize("seq", range(3))
def test_every_field_of_an_inclusion_proof_counts(made: Made, seq: int) -> None:
    """Sealed again by an attacker who has the court's key: the record's own step must see it."""
    name = f"records/{seq:06d}/entry.tlog-proof"
    parts = made.parts()
    proof = parse_tlog_proof(parts[name])
    changed = {format_tlog_proof(other) for other in others(proof) if other != proof}
    assert len(changed) >= len(dataclasses.fields(TlogProof)) + len(proof.hashes)
    for data in changed:
        assert made.verify(made.sealed_again({**parts, name: data})).verdict is Finding.INCONSISTENT, data


@pytest.mark.parametrize("part", PROOFS)
def test_every_member_of_a_ledger_proof_counts(made: Made, part: str) -> None:
    """The outer document, the block, the transaction in it, and the path between them."""
    parts = made.parts()
    outer = json.loads(parts[part])
    body = json.loads(b64decode(outer["body"], what="", field=""))
    inner = [{**outer, "body": b64encode(dumps(other))} for other in others(body)]
    inner += [
        {**outer, "body": b64encode(dumps({**body, "tx": dumps(other).decode()}))}
        for other in others(json.loads(body["tx"]))
    ]
    lines = body["block"].split("\n\n")[0].split("\n")
    for i in range(len(lines)):
        block = "\n".join([*lines[:i], "1" + lines[i], *lines[i + 1 :]])
        inner.append(
            {**outer, "body": b64encode(dumps({**body, "block": body["block"].replace("\n".join(lines), block)}))}
        )
    judged = [dumps(document) for document in (*others(outer), *inner)]
    assert len(judged) > 40
    for data in judged:
        assert made.verify(made.sealed_again({**parts, part: data})).verdict is not Finding.CONSISTENT, data


def test_every_field_of_a_signed_checkpoint_counts(made: Made) -> None:
    data = made.parts()["anchors/0000/checkpoint.note"]
    checkpoint, note = parse_checkpoint(data)
    at_ms = noon_of(made.home)

    def check(signed: Note, expected: Checkpoint) -> None:
        found = check_log_signature(format_note(signed), made.trust, at_ms)
        check_witnesses(format_note(signed), made.trust, anchored_ms=at_ms)
        assert found == expected

    check(note, checkpoint)
    assert {f.name for f in dataclasses.fields(Note)} == {"text", "signatures"}
    assert {f.name for f in dataclasses.fields(Signature)} == {"name", "key_id", "signature"}
    changed = [Note(text=checkpoint_text(c), signatures=note.signatures) for c in others(checkpoint)]
    for other in (*changed, *others(note)):
        assert refusal(check, other, checkpoint)
    assert "before" in refusal(check_log_signature, data, made.trust, at_ms + 40_000 * DAY_MS)


def test_every_field_of_a_package_counts() -> None:
    entries = [b"\x01" + n.to_bytes(2, "big") * 32 for n in range(700)]
    tree = MemoryTree([leaf_hash(entry) for entry in entries])
    checkpoint = Checkpoint(origin="a.example/log", size=700, root=tree.root())
    proof = tuple(tree.consistency_proof(256))
    good = Package(start=0, entries=b"".join(entries[:256]), proof=proof)

    def check(package: Package, target: Checkpoint) -> None:
        check_shape(package, next_index=0, end=target.size)
        check_proof(package, package.split(), [], target)

    check(good, checkpoint)
    for other in others(good):
        refusal(check, other, checkpoint)
    for target in (*others(checkpoint.root), bytes(32)):
        refusal(check, good, dataclasses.replace(checkpoint, root=target))


def test_both_sides_of_every_node_are_hashed() -> None:
    """The incident's own form: whatever stands on the other side of a node, zero and the node itself included, changes the root."""
    for size in range(2, 41):
        hashes = [leaf_hash(bytes([n])) for n in range(size)]
        tree = MemoryTree(hashes)
        for index in range(size):
            proof = tree.inclusion_proof(index)
            for place, sibling in enumerate(proof):
                for wrong in (
                    bytes(32),
                    hashes[index],
                    sibling[::-1],
                    proof[place - 1] if len(proof) > 1 else bytes(32),
                ):
                    changed = [*proof[:place], wrong, *proof[place + 1 :]]
                    refusal(verify_inclusion, hashes[index], index, size, changed, tree.root())
