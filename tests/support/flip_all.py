"""`python3 run.py flips`: every other value of every byte of a bundle's proof parts, and every bit flip of the whole bundle."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.support.bundles import make_bundle
from tests.support.flips import Change, Tally, bit_flips, judge, other_values, pool, proof_bytes

SHARE = 4000


def main() -> int:
    """Print the volume and what was accepted; 1 when anything was."""
    parser = argparse.ArgumentParser(prog="run.py flips", description=__doc__)
    parser.add_argument("--records", type=int, default=1, help="records in the bundle")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = make_bundle(Path(folder) / "home", count=wanted.records)
    changes: list[Change] = [*bit_flips(made.data), *other_values(made.data, proof_bytes(made.data))]
    workers = os.cpu_count() or 1
    print(
        f"bundle of {len(made.data)} bytes, {wanted.records} records; {len(changes)} changes on {workers} processes; exhaustive"
    )
    began = time.monotonic()
    tallies: list[Tally] = []
    shares = [changes[i : i + SHARE] for i in range(0, len(changes), SHARE)]
    with pool(workers) as processes:
        for tally in processes.map(judge, [made.data] * len(shares), [made.trust] * len(shares), shares):
            tallies.append(tally)
            if len(tallies) % 50 == 0:
                print(f"  {len(tallies) * SHARE} judged, {time.monotonic() - began:.0f} s", flush=True)
    accepted = [change for tally in tallies for change in tally.accepted]
    print(
        f"{sum(t.judged for t in tallies)} changes judged in {time.monotonic() - began:.0f} s:"
        f" {sum(t.at_container for t in tallies)} refused at the container,"
        f" {sum(t.by_verdict for t in tallies)} by a later step, {len(accepted)} accepted"
    )
    for offset, value in accepted[:20]:
        print(f"  ACCEPTED: byte {offset} = {value}")
    return 1 if accepted else 0


if __name__ == "__main__":
    raise SystemExit(main())
