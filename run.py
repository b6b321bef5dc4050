#!/usr/bin/env python3
"""Everything a fresh machine needs: makes `.venv`, installs the locked requirements once, runs a verb.

    python3 run.py demo [--stay] [--dir DIR]     the whole way of one dossier, as a story
    python3 run.py tools                         EVM node, Solidity compiler, gRPC for Node, what checks the pages: once, into .venv/tools
    python3 run.py test [pytest arguments]       the full test suite, two files at a time; with arguments as they say
    python3 run.py check                         lint, types, layers, spelling, generated code, house rules
    python3 run.py bench [arguments]             the table of speed and size
    python3 run.py flips [--seed N] [--all]      every other value of every byte of a bundle's proof parts
    python3 run.py kills [--count N] [--seed S] [--store postgresql]
                                                 kill -9 of random roles under load, then everything compared
    python3 run.py brokers [--count N] [--seed S]  kill -9 of the MQTT broker under load, then every notice and receipt compared
    python3 run.py outage [--seconds N] [--rate N] [--items N] [--seed S]
                                                 a court ledger that goes silent at load, and backlogs of a million
    python3 run.py batch [--rows N] [--seed S]   a batch of cases with planted faults, killed and resumed, then everything counted
    python3 run.py backups [--count N] [--seed S]  backups during business, each restored, everything compared
    python3 run.py rolling [--rounds N] [--seed S] every role restarted in turn under load; no call may fail
    python3 run.py faults [--count N] [--seed S]   full disks and jumping clocks under load, everything compared
    python3 run.py soak [--minutes N] [--rate N] [--seed S]  steady load: memory of every role over time
    python3 run.py simulate [--steps N] [--seed S]  the real services under faults in virtual time
    python3 run.py planted [NAME ...]            bugs on purpose, and the seconds until each is found
    python3 run.py api [--requests N] [--seed S] requests that the OpenAPI document allows or forbids, until so many were answered
    python3 run.py alerts [--only WORD]          every component taken away from real roles, and the seconds until a real Prometheus says so
    python3 run.py dashboards [--out DIR]        the dashboards as pictures, from a real Prometheus; --write makes deploy/grafana
    python3 run.py conformance                   every adapter against every promise of the ports, as a table
    python3 run.py operate                       follows docs/operate.md word for word, in a network namespace a host (needs root)
    python3 run.py sbom [--out FILE]             a CycloneDX bill of materials of what requirements.txt locks
    python3 run.py wheel [--out DIR]             the wheel, built from two clones and compared
    python3 run.py audit                         known weaknesses of what is locked (needs the network)
    python3 run.py proto                         generate the wire code again
    python3 run.py cli ...                       the `courtrelay` command

Standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
RUNTIME = "requirements.txt"
DEV = "requirements-dev.txt"
NODE = "requirements-node.txt"
TOOLS = VENV / "tools"
MACHINES = {"x86_64": "linux-amd64", "amd64": "linux-amd64", "aarch64": "linux-arm64", "arm64": "linux-arm64"}
SIDE_BY_SIDE = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
"""The whole suite: two files at a time, each from its first test to its last."""
LONG_RUNS = {
    "flips": "tests.support.flip_all",
    "kills": "tests.support.kills",
    "brokers": "tests.mqtt.brokers",
    "outage": "tests.load",
    "batch": "tests.support.batches",
    "backups": "tests.faults.backups",
    "rolling": "tests.faults.rolling",
    "faults": "tests.faults",
    "soak": "tests.faults.soak",
    "simulate": "tests.simulation",
    "planted": "tests.planted",
    "api": "tests.api",
    "conformance": "tests.conformance",
    "alerts": "tests.alerts",
    "dashboards": "tests.dashboards",
    "operate": "tests.operate",
    "sbom": "tests.supply.sbom",
    "wheel": "tests.supply.wheel",
    "audit": "tests.supply.audit",
}


NOT_KEPT = ("PYTHONHOME", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
"""What the environment of another program says."""


def fail(text: str) -> None:
    """One line, and the end."""
    print(f"run.py: {text}", file=sys.stderr)
    sys.exit(1)


def environment() -> dict[str, str]:
    """The project's folder first on the path; nothing of another environment.

    Compiled code is kept, in `.venv`, wherever the machine would compile anew in every process: that is half of a role's start.
    """
    kept = {name: value for name, value in os.environ.items() if name not in NOT_KEPT}
    path = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**kept, "PYTHONPATH": str(ROOT), "PATH": path, "PYTHONPYCACHEPREFIX": str(VENV / "compiled")}


def call(*command: str, quiet: bool = False) -> int:
    """Run a command in the project's folder; its exit code."""
    out = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, cwd=ROOT, env=environment(), stdout=out, check=False).returncode


def ensure(requirements: str) -> None:
    """`.venv` with what the file locks; done once for each content of the file."""
    if sys.version_info < (3, 11):
        fail(f"needs Python 3.11 or newer, this is {sys.version.split()[0]}")
    if not PYTHON.exists():
        print("run.py: making .venv ...", file=sys.stderr)
        if subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False).returncode:
            fail("cannot make .venv; on Debian: apt install python3-venv")
    digest = hashlib.sha256((ROOT / requirements).read_bytes()).hexdigest()
    stamps = [VENV / f"courtrelay-{name}.stamp" for name in {requirements, DEV}]
    wanted = {hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in {requirements, DEV}}
    if any(stamp.exists() and stamp.read_text() in wanted for stamp in stamps):
        return
    print(f"run.py: installing {requirements} (once) ...", file=sys.stderr)
    install = (
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--only-binary",
        ":all:",
    )
    if call(str(PYTHON), *install, "-r", requirements):
        fail("installing failed; the machine must reach a package index once (see the lines above)")
    (VENV / f"courtrelay-{requirements}.stamp").write_text(digest)


def tools() -> int:
    """Every package of requirements-node.txt, checked against its digest, unpacked; done once for each content of the file."""
    lines = (ROOT / NODE).read_text().splitlines()
    stamp, digest = TOOLS / "stamp", hashlib.sha256((ROOT / NODE).read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return 0
    if shutil.which("npm") is None:
        fail("needs npm once, for an EVM node and a Solidity compiler; on Debian: apt install npm")
    print(f"run.py: installing {NODE} (once) ...", file=sys.stderr)
    shutil.rmtree(TOOLS, ignore_errors=True)
    for name, version, integrity in (line.split() for line in lines):
        if "-linux-" not in name or name.endswith(MACHINES.get(platform.machine(), "?")):
            unpack(name, version, integrity)
    stamp.write_text(digest)
    return 0


def unpack(place: str, version: str, integrity: str) -> None:
    """One package, as npm fetches it, if it is the one that is locked. `place`: its name, in another's folder where it is that one's."""
    name = place.rpartition("/node_modules/")[2]
    with tempfile.TemporaryDirectory() as folder:
        command = ("npm", "pack", f"{name}@{version}", "--silent", "--pack-destination", folder)
        if subprocess.run(command, stdout=subprocess.DEVNULL, cwd=folder, check=False).returncode:
            fail(f"npm could not fetch {name} {version}; the machine must reach a package index once")
        (packed,) = Path(folder).glob("*.tgz")
        found = "sha512-" + base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if found != integrity:
            fail(f"{name} {version} is not what {NODE} locks: it has the digest {found}")
        with tarfile.open(packed) as archive:
            # older Pythons lack the filter; what is unpacked is what the digest says
            archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        (inner,) = (path for path in Path(folder).iterdir() if path.is_dir())
        target = TOOLS / "node_modules" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(inner, target)


def proto() -> int:
    """Generate the wire code into the package."""
    return generate(ROOT)


def generate(out: Path) -> int:
    """Generate the wire code under a folder."""
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "proto").rglob("*.proto"))
    targets = [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python", "mypy_grpc")]
    return call(str(PYTHON), "-m", "grpc_tools.protoc", "-I", "proto", *targets, *sources, quiet=True)


def check() -> int:
    """All checks; every one runs, the worst code counts."""
    tools = (
        ("lint", ("-m", "ruff", "check", "--quiet", ".")),
        ("format", ("-m", "ruff", "format", "--quiet", "--check", ".")),
        ("types", ("-m", "mypy")),
        ("layers", ("-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-logo")),
        ("spelling", ("-m", "codespell_lib", "relay", "adapters", "tests", "docs", "bench", "proto", "README.md")),
        ("house", ("-m", "tests.support.house")),
    )
    worst = 0
    for name, command in tools:
        code = call(str(PYTHON), *command, quiet=name in ("layers", "types"))
        if code and name in ("layers", "types"):
            call(str(PYTHON), *command)
        print(f"{name:<9} {'ok' if not code else 'FAILED'}")
        worst = worst or code
    return worst


def main() -> int:
    """Dispatch by verb."""
    verb, *rest = sys.argv[1:] or ["help"]
    if verb == "tools":
        ensure(RUNTIME)
        return tools()
    if verb in ("demo", "cli"):
        ensure(RUNTIME)
        if verb == "demo" and "evm" in rest:
            tools()
        arguments = rest if verb == "cli" else ["demo", *rest]
        return call(str(PYTHON), "-m", "relay.cli", *arguments)
    if verb in ("test", "check", "bench", "proto", *LONG_RUNS):
        ensure(DEV)
        if verb in ("test", *LONG_RUNS) and shutil.which("npm"):
            tools()
        if verb == "test":
            return call(str(PYTHON), "-m", "pytest", *(rest or SIDE_BY_SIDE))
        if verb == "bench":
            return call(str(PYTHON), "-m", "bench", *rest)
        if verb in LONG_RUNS:
            return call(str(PYTHON), "-m", LONG_RUNS[verb], *rest)
        return check() if verb == "check" else proto()
    print(__doc__)
    return 0 if verb in ("help", "-h", "--help") else 2


if __name__ == "__main__":
    sys.exit(main())
