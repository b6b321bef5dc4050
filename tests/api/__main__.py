"""`python3 run.py api [--requests N] [--seed N]`: schemathesis until so many requests were answered; 1 when it finds anything.

`--document` writes docs/api/openapi.json instead.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.api.fuzzing import fuzz
from tests.api.gateway import open_gateway
from tests.api.test_openapi import DOCUMENT, made

PHASES = "examples,coverage,fuzzing,stateful"


async def run(requests: int, seed: int, examples: int) -> int:
    """Runs with seed, seed + 1, … until the volume is reached."""
    with tempfile.TemporaryDirectory(prefix="court-api-") as name:
        folder = Path(name)
        async with open_gateway(folder) as gateway:
            while gateway.count[0] < requests:
                done = await fuzz(
                    gateway.url, gateway.tokens["all"], gateway.known, folder,
                    seed=seed, examples=examples, phases=PHASES,
                )  # fmt: skip
                print(f"seed {seed}: {gateway.count[0]} requests so far, exit code {done.code}", flush=True)
                if done.code:
                    print(done.output)
                    return 1
                seed += 1
            print(f"{gateway.count[0]} requests to {len(gateway.routes)} operations, no finding")
    return 0


def main() -> int:
    """Read the arguments."""
    parser = argparse.ArgumentParser(prog="run.py api")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=100, help="for each operation and run")
    parser.add_argument("--document", action="store_true", help="write the OpenAPI document")
    chosen = parser.parse_args()
    if chosen.document:
        DOCUMENT.write_bytes(made())
        return 0
    return asyncio.run(run(chosen.requests, chosen.seed, chosen.examples))


if __name__ == "__main__":
    sys.exit(main())
