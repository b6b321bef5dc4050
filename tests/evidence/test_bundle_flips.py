"""No byte of a bundle is free: every single-bit flip is refused; so are changes that an attacker with the court's seal key repairs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from relay.core.bundle import MANIFEST, SEAL
from relay.core.verdict import Finding
from tests.support.bundles import Made, make_bundle, put_together
from tests.support.flips import Change, Tally, bit_flips, judge, other_values, pool, proof_bytes

WORKERS = 2
SEED = 20_261_124


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """One record, one payload of a few bytes."""
    return make_bundle(tmp_path_factory.mktemp("tiny") / "home", count=1)


def judge_all(made: Made, changes: list[Change]) -> list[Tally]:
    """Spread over processes."""
    shares = [changes[i::WORKERS] for i in range(WORKERS)]
    with pool(WORKERS) as workers:
        return list(workers.map(judge, [made.data] * WORKERS, [made.trust] * WORKERS, shares))


def test_every_single_bit_flip_is_refused(tiny: Made) -> None:
    changes = list(bit_flips(tiny.data))
    tallies = judge_all(tiny, changes)
    assert sum(t.judged for t in tallies) == 8 * len(tiny.data)
    assert [c for t in tallies for c in t.accepted] == []


def test_other_values_of_proof_bytes_are_refused(tiny: Made) -> None:
    """A seeded sample of a hundredth; `python3 run.py flips` judges all of them."""
    every = list(other_values(tiny.data, proof_bytes(tiny.data)))
    sample = random.Random(SEED).sample(every, len(every) // 100)
    tallies = judge_all(tiny, sample)
    assert sum(t.judged for t in tallies) == len(sample) > 10_000
    assert [c for t in tallies for c in t.accepted] == []


def test_every_bit_of_the_seal_counts_when_the_container_is_repaired(tiny: Made) -> None:
    parts = tiny.parts()
    for offset, value in bit_flips(parts[SEAL]):
        changed = bytearray(parts[SEAL])
        changed[offset] = value
        verdict = tiny.verify(put_together({**parts, SEAL: bytes(changed)}))
        assert verdict.verdict is not Finding.CONSISTENT, (offset, value)


def test_every_byte_of_the_manifest_counts_when_the_container_is_repaired(tiny: Made) -> None:
    parts = tiny.parts()
    bits = random.Random(SEED)
    for offset, value in enumerate(parts[MANIFEST]):
        changed = bytearray(parts[MANIFEST])
        changed[offset] = value ^ (1 << bits.randrange(8))
        verdict = tiny.verify(put_together({**parts, MANIFEST: bytes(changed)}))
        assert verdict.verdict is not Finding.CONSISTENT, offset


def test_changed_proof_parts_are_refused_although_the_court_sealed_them(tiny: Made) -> None:
    """The attacker has the court's seal key: each part must be caught by its own step."""
    parts = tiny.parts()
    values = random.Random(SEED)
    judged = 0
    for name, data in parts.items():
        if name in (MANIFEST, SEAL):
            continue
        for offset in range(values.randrange(8), len(data), 8):
            changed = bytearray(data)
            changed[offset] = (changed[offset] + values.randrange(1, 256)) % 256
            verdict = tiny.verify(tiny.sealed_again({**parts, name: bytes(changed)}))
            assert verdict.verdict is not Finding.CONSISTENT, (name, offset)
            judged += 1
    assert judged > 1500


def test_the_untouched_bundle_is_the_control(tiny: Made, tmp_path: Path) -> None:
    tally = judge(tiny.data, tiny.trust, [(0, tiny.data[0])])
    assert (tally.judged, len(tally.accepted)) == (1, 1)
