"""`python3 run.py wheel [--out DIR]`: builds the wheel twice, from two clones at different times and places, and compares the bytes."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILDER = "requirements-build.txt"


def build(clone: Path, out: Path, epoch: str) -> Path:
    """The wheel of a clone, built by what the lock names. `epoch`: a time that every file in it is dated with."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    env = {**os.environ, "SOURCE_DATE_EPOCH": epoch, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([*command, "--wheel-dir", str(out), str(clone)], check=True, env=env)
    (made,) = out.glob("*.whl")
    return made


def clone(folder: Path) -> Path:
    """What is committed, in a folder of its own."""
    subprocess.run(["git", "clone", "--quiet", "--local", str(ROOT), str(folder)], check=True)
    return folder


def epoch() -> str:
    """The last commit's time, in seconds."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def build_twice(scratch: Path) -> tuple[Path, Path]:
    """Two wheels of the same commit. The second clone has another umask, another name, and files in another order of age."""
    first = build(clone(scratch / "one"), scratch / "wheels-1", epoch())
    before = os.umask(0o077)
    try:
        other = clone(scratch / "another place")
    finally:
        os.umask(before)
    for path in sorted(other.rglob("*.py"), reverse=True):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return first, build(other, scratch / "wheels-2", epoch())


def main() -> int:
    """The exit code is 1 when the two differ."""
    parser = argparse.ArgumentParser(prog="run.py wheel", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the wheel")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        first, second = build_twice(Path(scratch))
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
        if digests[0] != digests[1]:
            print(f"two builds differ: {digests[0]} and {digests[1]}")
            return 1
        chosen.out.mkdir(parents=True, exist_ok=True)
        shutil.copy(first, chosen.out)
    print(f"{digests[0]}  {first.name}: the same from two clones")
    return 0


if __name__ == "__main__":
    sys.exit(main())
