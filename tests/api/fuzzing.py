"""Schemathesis against a running gateway: how it is told of real values, and what came of a run."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.house import ROOT

REAL_VALUES = 0.6
"""How often a value that exists stands in for a drawn one: what is not there has one answer, and it is soon known."""
ACCEPTED = ["2xx", "401", "403", "404", "409", "416", "422", "429", "503"]
"""Answers to a request that the document allows. 400 is none of them: what the document says is all that is checked there."""
REFUSED = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "429", "503"]
"""Answers to a request that the document forbids. 413 is one: a text that is too long may make the body too long before it is read."""
EXAMPLES = 10_000


@dataclass(frozen=True)
class Run:
    """What one run of schemathesis found."""

    code: int
    output: str


async def fuzz(
    url: str, token: str, known: Mapping[str, Sequence[str]], folder: Path, *, seed: int, examples: int, phases: str
) -> Run:
    """Every check of schemathesis over every operation, with a seed."""
    config = folder / f"schemathesis-{seed}.toml"
    config.write_text(_config(token, known))
    command = [
        sys.executable, "-c", "from schemathesis.cli import schemathesis as run; run()",
        "--config-file", str(config), "run", f"{url}/api/v1/openapi.json",
        "--checks", "all", "--phases", phases, "--seed", str(seed), "--max-examples", str(examples),
        "--continue-on-failure", "--no-color", "--suppress-health-check", "all", "--warnings", "off",
    ]  # fmt: skip
    environment = {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.api.hooks", "PATH": "/usr/bin:/bin"}
    running = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
    return Run(running.returncode or 0, output.decode())


def _config(token: str, known: Mapping[str, Sequence[str]]) -> str:
    """TOML; JSON strings and arrays are TOML's too."""
    lines = [f'headers = {{ Authorization = "Bearer {token}" }}', "[checks.positive_data_acceptance]"]
    lines += [f"expected-statuses = {json.dumps(ACCEPTED)}", "[checks.negative_data_rejection]"]
    lines += [f"expected-statuses = {json.dumps(REFUSED)}"]
    for number, values in enumerate(known.values()):
        lines += [f"[dictionaries.known{number}]", f"values = {json.dumps(list(values))}"]
    lines += ["[parameters]"]
    for number, name in enumerate(known):
        lines += [f'"{name}" = {{ dictionary = "known{number}", probability = {REAL_VALUES} }}']
    return "\n".join(lines) + "\n"
