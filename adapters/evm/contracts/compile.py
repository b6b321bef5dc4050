"""Make the artefacts again: `python -m adapters.evm.contracts.compile [--check] [--solc-dir DIR]`.

Runs the npm package `solc` (the compiler as WebAssembly) in Node. The output depends on sources, compiler version and settings alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from adapters.evm.contracts.artefacts import (
    COMPILER,
    FOLDER,
    SETTINGS,
    SOURCES,
    artefact_path,
    read_sources,
    source_sha256,
)

TOOLS: Final = FOLDER.parents[2] / ".venv" / "tools" / "node_modules"
DEADLINE_S: Final = 120
_OUTPUT: Final = {"*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]}}
# The package's own command reads no standard JSON with several files; its module does.
_PROGRAM: Final = """
const solc = require(process.argv[1]);
const input = require('fs').readFileSync(0, 'utf8');
process.stdout.write(JSON.stringify({version: solc.version(), output: JSON.parse(solc.compile(input))}));
"""


def artefact_text(contract: str, tools: Path = TOOLS, folder: Path = FOLDER) -> str:
    """The text of one contract's artefact. Raises `RuntimeError` for what the compiler says, warnings included."""
    sources = read_sources(contract, folder)
    abi, bytecode, runtime = compile_contract(contract, sources, tools)
    artefact = {
        "contract": contract,
        "compiler": COMPILER,
        "settings": SETTINGS,
        "abi": abi,
        "bytecode": f"0x{bytecode}",
        "runtime": f"0x{runtime}",
        "source_sha256": source_sha256(sources),
    }
    return json.dumps(artefact, sort_keys=True, indent=1) + "\n"


def compile_contract(contract: str, sources: Mapping[str, str], tools: Path = TOOLS) -> tuple[list[Any], str, str]:
    """ABI, creating code and running code (hex without 0x) of a contract in `<contract>.sol`. Raises `RuntimeError`."""
    answer = _run(
        {
            "language": "Solidity",
            "sources": {name: {"content": text} for name, text in sources.items()},
            "settings": {**SETTINGS, "outputSelection": _OUTPUT},
        },
        tools,
    )
    if not answer["version"].startswith(f"{COMPILER}+"):
        raise RuntimeError(f"solc is {answer['version']}; wanted is {COMPILER}")
    said = [message["formattedMessage"] for message in answer["output"].get("errors", ())]
    if said:
        raise RuntimeError("\n".join(said))
    made = answer["output"]["contracts"][f"{contract}.sol"][contract]
    return made["abi"], made["evm"]["bytecode"]["object"], made["evm"]["deployedBytecode"]["object"]


def _run(compiler_input: Mapping[str, object], tools: Path) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None or not (tools / "solc").is_dir():
        raise RuntimeError("the compiler needs Node and the npm package solc; name its folder with --solc-dir")
    command = (node, "-e", _PROGRAM, str(tools.resolve() / "solc"))
    text = json.dumps(compiler_input)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    if done.returncode:
        raise RuntimeError(f"node ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def main() -> int:
    """Write the artefacts, or with `--check` name those that are not what the compiler makes; 1 when there are any."""
    parser = argparse.ArgumentParser(prog="python -m adapters.evm.contracts.compile", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    parser.add_argument("--solc-dir", type=Path, default=TOOLS, help="the node_modules folder that holds solc")
    wanted = parser.parse_args()
    different = 0
    for contract in SOURCES:
        path = artefact_path(contract)
        try:
            text = artefact_text(contract, wanted.solc_dir)
        except RuntimeError as error:
            print(f"{contract}: {error}", file=sys.stderr)
            return 1
        if path.is_file() and path.read_bytes() == text.encode():
            print(f"{contract}: unchanged")
        elif wanted.check:
            different = 1
            print(f"{contract}: the artefact is not what the compiler makes", file=sys.stderr)
        else:
            path.write_text(text, "utf-8")
            print(f"{contract}: written")
    return different


if __name__ == "__main__":
    raise SystemExit(main())
