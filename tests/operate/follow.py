"""Follows docs/operate.md from its first block to its last, as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.operate.guide import GUIDE, HOSTS, MAKING, ROOT, Step, carried, steps
from tests.operate.hosts import Hosts

PATIENCE_S = 90.0
SIDE_BY_SIDE = 3
Say = Callable[[str], None]


@dataclass
class Followed:
    """What came of it. `digests`: every digest of trust roots that a host showed."""

    blocks: int = 0
    files: int = 0
    digests: set[str] = field(default_factory=set)
    verdict: str = ""


def follow(hosts: Hosts, *, built: bool, say: Say, until: str = "") -> Followed:
    """Run all blocks, or those before the heading `until`. With `built` the wheel is made and installed, too."""
    text = GUIDE.read_text()
    followed = Followed()
    for group in _groups(steps(text.split(f"\n## {until}", 1)[0] if until else text)):
        if not group[0].host:
            followed.files += _carry(hosts, group[0], built, say)
        elif group[0].host in MAKING:
            if built:
                _make(hosts, group[0], say)
                followed.blocks += 1
        else:
            with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
                printed = list(pool.map(partial(_run, hosts), group))
            for step, text_of in zip(group, printed, strict=True):
                say(f"--- {step.host} (docs/operate.md:{step.line})\n{step.body.rstrip()}\n{text_of.rstrip()}")
                _remember(followed, step, text_of)
            followed.blocks += len(group)
    return followed


def _groups(found: list[Step]) -> Iterator[list[Step]]:
    """Blocks that follow each other on different hosts run side by side: only a wait or a carried file orders what shares nothing."""
    group: list[Step] = []
    for step in found:
        alone = step.until or step.host in ("", *MAKING)
        if group and (alone or step.host in {one.host for one in group}):
            yield group
            group = []
        if alone:
            yield [step]
        else:
            group.append(step)
    if group:
        yield group


def _run(hosts: Hosts, step: Step) -> str:
    """One block; what it printed."""
    ends = time.monotonic() + PATIENCE_S
    while True:
        done = hosts.run(step.host, step.body)
        if done.returncode == 0:
            return done.stdout
        assert "Traceback" not in done.stderr, done.stderr
        if not step.until or time.monotonic() > ends:
            raise AssertionError(
                f"docs/operate.md:{step.line} on {step.host}: {done.stdout}{done.stderr}{_logs(hosts)}"
            )
        time.sleep(0.2)


def _logs(hosts: Hosts) -> str:
    found = sorted(path for host in HOSTS for path in hosts.home(host).glob("*.log"))
    return "".join(f"\n{path.parent.name}/{path.name}: {path.read_text()[-600:]}" for path in found)


def _remember(followed: Followed, step: Step, printed: str) -> None:
    if "courtrelay trust make" in step.body or "courtrelay trust show" in step.body:
        followed.digests.update(re.findall(r"^sha256 +([0-9a-f]{64})$", printed, re.MULTILINE))
    if "courtrelay verify" in step.body:
        followed.verdict = next(line for line in printed.splitlines() if re.match(r"[A-Z_]+: ", line))


def _carry(hosts: Hosts, step: Step, built: bool, say: Say) -> int:
    count = 0
    for one in carried(step):
        if one.from_host in MAKING and not built:
            continue
        say(f"--- carried: {one.from_host}:{one.from_path} to {one.to_host}:{one.to_path}")
        hosts.carry(one.from_host, one.from_path, "image" if one.to_host == "every" else one.to_host, one.to_path)
        count += 1
    return count


def _make(hosts: Hosts, step: Step, say: Say) -> None:
    """Building needs a package index once, so it runs outside; the hosts are installed alike, once for all of them."""
    folder = hosts.home("clone" if step.host == "clone" else "image")
    if step.host == "clone":
        _clone(folder)
    say(f"--- {step.host} (docs/operate.md:{step.line})\n{step.body.rstrip()}")
    done = subprocess.run(["bash", "-euc", step.body], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docs/operate.md:{step.line}: {done.stdout}{done.stderr}"
    say(done.stdout.rstrip())


def _clone(folder: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        source = ROOT / name
        if name and source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / name)


def no_way(hosts: Hosts, one: str, other: str) -> bool:
    """Whether a host cannot reach any address of the other: there is no route."""
    asks = "import socket, sys\nfor a in sys.argv[1:]:\n s = socket.socket()\n assert s.connect_ex((a, 7402)) in (101, 113), a\n"
    script = f"python3 -c '{asks}' {' '.join(hosts.addresses(other))}"
    done = hosts.run(one, script)
    assert done.returncode == 0, done.stderr
    return bool(hosts.addresses(other))


def ended(hosts: Hosts) -> bool:
    """Whether every process of every host has come to its end by itself."""
    ends = time.monotonic() + PATIENCE_S
    while any(hosts.processes(host) for host in HOSTS):
        if time.monotonic() > ends:
            return False
        time.sleep(0.1)
    return True


def main() -> int:
    """`python3 run.py operate`: the whole guide, the installation too."""
    began = time.monotonic()
    with Hosts(built=True) as hosts:
        followed = follow(hosts, built=True, say=print)
        assert no_way(hosts, "court", "lender")
        assert ended(hosts)
    assert len(followed.digests) == 1, followed.digests
    assert followed.verdict.startswith("CONSISTENT"), followed.verdict
    print(
        f"\nfollowed docs/operate.md: {followed.blocks} blocks on {len(HOSTS)} hosts, {followed.files} files carried, "
        f"{time.monotonic() - began:.0f} s; the verdict: {followed.verdict}"
    )
    return 0
