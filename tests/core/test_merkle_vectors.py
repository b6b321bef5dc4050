"""Public proof vectors give their stated verdicts where they are present; vectors of our own do so everywhere."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Unverified
from relay.core.merkle import leaf_hash, verify_consistency, verify_inclusion

PUBLIC = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "transparency-dev-merkle"

OWN: list[dict[str, Any]] = [
    # leaves b"a", b"b", b"c": the smallest tree with a ragged edge
    {"leaf": b"a", "index": 0, "size": 3, "good": True, "why": "left leaf: its neighbour, then the ragged edge"},
    {"leaf": b"c", "index": 2, "size": 3, "good": True, "why": "the ragged leaf has one sibling only"},
    {"leaf": b"c", "index": 1, "size": 3, "good": False, "why": "a right leaf under a wrong index"},
    {"leaf": b"b", "index": 0, "size": 3, "good": False, "why": "another leaf at this place"},
    {"leaf": b"a", "index": 0, "size": 5, "good": False, "why": "a bigger tree needs a longer path"},
    {"leaf": b"a", "index": 3, "size": 3, "good": False, "why": "an index outside the tree"},
]


def accepts(vector: dict[str, Any]) -> bool:
    """Our verdict on one public vector."""

    def b64(text: str | None) -> bytes:
        return base64.b64decode(text or "")

    proof = [b64(h) for h in vector["proof"] or []]
    try:
        if "leafIdx" in vector:
            verify_inclusion(b64(vector["leafHash"]), vector["leafIdx"], vector["treeSize"], proof, b64(vector["root"]))
        else:
            verify_consistency(vector["size1"], vector["size2"], proof, b64(vector["root1"]), b64(vector["root2"]))
    except Unverified:
        return False
    return True


def test_every_public_vector_gives_its_stated_verdict() -> None:
    wrong = []
    files = sorted(PUBLIC.rglob("*.json"))
    for path in files:
        vector = json.loads(path.read_text())
        if accepts(vector) is bool(vector["wantErr"]):
            wrong.append(f"{path.relative_to(PUBLIC)}: {vector['desc']}")
    assert wrong == []
    assert len(files) in (0, 196)


def test_consistency_from_nothing_is_never_accepted() -> None:
    """A proof from size 0 would show nothing; one public vector calls it useless."""
    with pytest.raises(Unverified):
        verify_consistency(0, 1, [], bytes(32), bytes(32))


@pytest.mark.parametrize("vector", OWN, ids=lambda v: v["why"])
def test_own_vectors(vector: dict[str, Any]) -> None:
    a, b, c = (leaf_hash(x) for x in (b"a", b"b", b"c"))
    ab = hashlib.sha256(b"\x01" + a + b).digest()
    root = hashlib.sha256(b"\x01" + ab + c).digest()
    paths = {0: [b, c], 1: [a, c], 2: [ab], 3: [ab]}
    leaf = leaf_hash(vector["leaf"])
    if vector["good"]:
        verify_inclusion(leaf, vector["index"], vector["size"], paths[vector["index"]], root)
        assert len(root) == 32
    else:
        with pytest.raises(Unverified):
            verify_inclusion(leaf, vector["index"], vector["size"], paths[vector["index"]], root)
