"""House rules that no linter knows: sizes, forbidden words, generated code up to date, no addresses in locks. Part of `check`."""

from __future__ import annotations

import ast
import filecmp
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
GENERATED = ("relay/wire/v1", "adapters/embedded/v1", "adapters/evm/v1", "adapters/remote/v1")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|placeholder|for now)\b")
LOCK_ADDRESS = re.compile(r"https?://|--index-url|--find-links")


def sources(*folders: str) -> Iterator[Path]:
    """Hand-written Python files."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not str(path.relative_to(ROOT)).startswith(GENERATED):
                yield path


def too_long() -> Iterator[str]:
    """Files and functions past the hard limits."""
    for path in sources("relay", "adapters", "tests", "bench"):
        text = path.read_text()
        name = path.relative_to(ROOT)
        if text.count("\n") > FILE_LINES_MAX:
            yield f"{name}: {text.count(chr(10))} lines; split it by idea (at most {FILE_LINES_MAX})"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                length = node.end_lineno - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    yield f"{name}:{node.lineno}: {node.name} has {length} lines (at most {FUNCTION_LINES_MAX})"


def unfinished() -> Iterator[str]:
    """Words that mark work left undone."""
    for path in sources("relay", "adapters"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if UNFINISHED.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: marks unfinished work"


def addresses() -> Iterator[str]:
    """Locks are by hash, without addresses."""
    for path in sorted(ROOT.glob("requirements*.txt")):
        if LOCK_ADDRESS.search(path.read_text()):
            yield f"{path.name}: names an address; locks are by hash alone"


def stale_generated() -> Iterator[str]:
    """Generated code is what `run.py proto` makes now."""
    protos = [str(p.relative_to(ROOT)) for p in sorted((ROOT / "proto").rglob("*.proto"))]
    with tempfile.TemporaryDirectory() as folder:
        targets = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python", "mypy_grpc")]
        command = [sys.executable, "-m", "grpc_tools.protoc", "-I", "proto", *targets, *protos]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"proto: {done.stderr.strip()}"
            return
        for made in sorted(Path(folder).rglob("*.py*")):
            kept = ROOT / made.relative_to(folder)
            if not kept.exists() or not filecmp.cmp(made, kept, shallow=False):
                yield f"{made.relative_to(folder)}: is not what proto/ gives; run `python3 run.py proto`"


def main() -> int:
    """Print every finding; 1 when there is any."""
    found = [line for rule in (too_long, unfinished, addresses, stale_generated) for line in rule()]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
