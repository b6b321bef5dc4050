"""Hyperbridge (13 April 2026): an index beyond the number of leaves dropped the leaf, a proof element became the root, and the
proof was not bound to what was asked. Here every index, size and path that do not belong together are refused, as is a proof of
something else.
"""

from __future__ import annotations

import itertools

import pytest

from relay.core.bundle import parse_bundle_manifest
from relay.core.checkpoint import Checkpoint
from relay.core.completeness import make_completeness
from relay.core.disclosure import ManifestEntry, make_manifest
from relay.core.errors import Malformed
from relay.core.merkle import EMPTY_ROOT, MemoryTree, leaf_hash, verify_inclusion, verify_subtree_consistency
from relay.core.package import Package, check_shape
from relay.core.verdict import Finding, Result
from tests.core.evidence import COURT, COURT_KEY, DOSSIER, LENDER, LENDER_KEY, NOW_S
from tests.regression.refusing import refusal
from tests.support.bundles import Made

FAR = (-1, 2**31, 2**53, 2**63, 2**64 - 1)
SIZES = range(1, 65)
WHOLE = [leaf_hash(bytes([n])) for n in range(64)]


def test_proof_with_a_leaf_index_beyond_the_tree_is_refused() -> None:
    """Every proof of every size under every other index; beyond the tree it is refused for its place, whatever it hashes to."""
    for size in SIZES:
        tree = MemoryTree(WHOLE[:size])
        root = tree.root()
        for index in range(size):
            leaf, proof = WHOLE[index], tree.inclusion_proof(index)
            verify_inclusion(leaf, index, size, proof, root)
            for other in (*range(2 * size + 1), *FAR):
                if other == index:
                    continue
                reason = refusal(verify_inclusion, leaf, other, size, proof, root)
                assert ("is not in a tree of" in reason) is not (0 <= other < size)


def test_proof_element_never_becomes_the_root() -> None:
    """The forged proof of the incident: a leaf of the attacker's, the true root among the proof's elements."""
    forged = leaf_hash(b"mint")
    for size in (0, *SIZES):
        root = MemoryTree(WHOLE[:size]).root() if size else EMPTY_ROOT
        for proof in ([], [root], [root, root], [forged, root], [root] * 6):
            for index in (*range(min(size, 3)), size - 1, size, size + 1, 2 * size, *FAR):
                refusal(verify_inclusion, forged, index, size, proof, root)
        for index in (size, size + 1, 2 * size, *FAR):
            refusal(verify_inclusion, root, index, size, [], root)
    refusal(verify_inclusion, EMPTY_ROOT, 0, 0, [], EMPTY_ROOT)
    verify_inclusion(WHOLE[0], 0, 1, [], WHOLE[0])


def test_unused_and_missing_elements_are_refused() -> None:
    for size in SIZES:
        tree = MemoryTree(WHOLE[:size])
        root = tree.root()
        for index in range(size):
            proof = tree.inclusion_proof(index)
            longer = ([*proof, x] for x in (root, bytes(32), WHOLE[index]))
            for wrong in (*longer, [root, *proof], *([proof[:-1], proof[1:]] if proof else [])):
                refusal(verify_inclusion, WHOLE[index], index, size, wrong, root)
            wrong = [*tree.consistency_proof(index + 1), root]
            refusal(verify_subtree_consistency, 0, index + 1, size, wrong, tree.root(index + 1), root)


def test_doubled_places_and_empty_lists_are_malformed() -> None:
    """What stands for a list of leaves here: a package's entries, the lender's list, the court's list of places."""
    for start, end in itertools.product((0, 5, 256), (1, 300)):
        reason = refusal(
            lambda s, e: check_shape(Package(start=s, entries=b"", proof=()), next_index=s, end=e), start, end
        )
        assert "0 bytes" in reason

    def listed(*indices: int) -> str:
        entries = [
            ManifestEntry(seq=seq, index=i, kind="repayment", event_time_s=NOW_S, status="disclosed")
            for seq, i in enumerate(indices)
        ]
        return make_manifest(
            iss=LENDER, aud=COURT, grant=bytes(32), request=bytes(32), dossier=DOSSIER, dossier_key=bytes(32), iat=NOW_S,
            entries=entries, public_key=LENDER_KEY.public, sign=LENDER_KEY.sign,
        )  # fmt: skip

    def stated(*indices: int) -> str:
        return make_completeness(
            iss=COURT, origin="a.example/log", dossier=DOSSIER, size=9, root=bytes(32), absent_tag=bytes(32),
            indices=indices, looked_ahead=1, iat=NOW_S, public_key=COURT_KEY.public, sign=COURT_KEY.sign,
        )  # fmt: skip

    assert listed(4, 7)
    assert stated(4, 7)
    for make, wrong in ((listed, ()), (listed, (4, 4)), (stated, (4, 4)), (stated, (4, 9)), (stated, (-1,))):
        with pytest.raises(Malformed):
            make(*wrong)


def test_proof_of_one_record_presented_for_another_is_refused(made: Made) -> None:
    """Also when the attacker can seal the bundle: proofs exchanged, and an index that nothing was logged at."""
    parts = made.parts()
    manifest = parse_bundle_manifest(parts["manifest.json"])
    size = manifest.anchors[0].size
    assert Checkpoint(origin=manifest.origin, size=size, root=manifest.anchors[0].root).size == 3
    names = [f"records/{seq:06d}/entry.tlog-proof" for seq in range(3)]
    for a, b in itertools.permutations(names, 2):
        verdict = made.verify(made.sealed_again({**parts, a: parts[b]}))
        assert verdict.verdict is Finding.INCONSISTENT
        assert verdict.steps[9].result is Result.FAILED
    for index in (size, size + 1, 2 * size, 2**53 - 2):
        proof = parts[names[2]].replace(b"index 2\n", b"index %d\n" % index)
        assert proof != parts[names[2]]
        assert made.verify(made.sealed_again({**parts, names[2]: proof})).verdict is Finding.INCONSISTENT
