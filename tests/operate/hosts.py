"""Hosts that share nothing but the network: a network namespace, a user and a home folder each, and a cable for each permitted way.

There is no switch between them: where the guide knows no way, there is no cable. A host sees its own home alone; programs are shared and
cannot be written. Needs root, iproute2 and util-linux, as on Debian.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.operate.guide import HOSTS, ROOT

CABLES = (
    ("lender", "lender-ledger"),
    ("lender", "relay"),
    ("relay", "lender-ledger"),
    ("relay", "court-ledger"),
    ("relay", "court"),
    ("court", "court-ledger"),
)
"""The ways of the guide's first table; the authority has none."""
NAMES = {
    "lender-ledger": "ledger.lender.example",
    "court-ledger": "ledger.court.example",
    "relay": "relay.alliance.example",
    "court": "gateway.court.example",
}
FIRST_USER = 61_000
TOOLS = ("ip", "nsenter", "unshare", "setpriv", "mount")
PATIENCE_S = 120.0
_ENTER = """
set -eu
base=$1 host=$2 user=$3 prefix=$4 root=$5 venv=$6 script=$7
mount --bind "$base/etc/$host" /etc/hosts
mount --bind "$base/hosts/$host" "$base/home"
mount --bind "$root" "$base/program"
mount --bind "$venv" "$base/venv"
mount --bind "$prefix" "$base/python"
mount -t tmpfs -o mode=0755 none "$base/hosts"
case "$prefix" in /root/*) mount -t tmpfs -o mode=0755 none /root; mkdir -p "$prefix"; mount --bind "$base/python" "$prefix";; esac
cd "$base/home"
exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --bounding-set=-all env -i HOME="$base/home" \
    PATH="$base/bin:$base/image/venv/bin:$base/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin" LC_ALL=C.UTF-8 TERM=dumb COLUMNS=200 \
    bash -euc "$script"
"""
_COMMAND = """#!{base}/venv/bin/python
import sys
sys.path.insert(0, "{base}/program")
sys.modules["rfc3987_syntax"] = None  # comes with a tool of the suite, not with the program, and takes a second to import
from relay.cli import main
main()
"""


def missing_tools() -> str:
    """What is not installed, and how to install it; empty when all is there."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"needs {', '.join(missing)}; on Debian: apt install iproute2 util-linux" if missing else ""


def why_not() -> str:
    """Why hosts cannot be made on this machine; empty when they can."""
    if missing_tools():
        return missing_tools()
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    name = f"cr-{secrets.token_hex(4)}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "this machine makes no network namespaces"
    tried = subprocess.run(
        ["nsenter", f"--net=/run/netns/{name}", "unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True,
        check=False,
    )
    subprocess.run(["ip", "netns", "del", name], check=True)
    return "this machine makes no mount namespaces" if tried.returncode else ""


class Hosts:
    """All hosts of the guide, while the body runs. `built`: they run the installed wheel; otherwise the command of this checkout."""

    def __init__(self, *, built: bool) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="courtrelay-hosts-"))
        self.mark = secrets.token_hex(3)
        self._stack = ExitStack()
        self._built = built

    def __enter__(self) -> Hosts:
        self._stack.callback(shutil.rmtree, self.base, ignore_errors=True)
        with ExitStack() as undo:
            undo.push(self._stack)
            self._folders()
            for host in HOSTS:
                self._ip("netns", "add", self._space(host))
                self._stack.callback(self._remove, host)
                self._ip("-n", self._space(host), "link", "set", "lo", "up")
            self._cables()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def home(self, host: str) -> Path:
        """A host's home as the machine sees it."""
        return self.base / host if host in ("clone", "image") else self.base / "hosts" / host

    def run(self, host: str, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script as the host's user, in its home, in its network."""
        arguments = (self.base, host, self._user(host), sys.base_prefix, ROOT, (ROOT / ".venv").resolve(), script)
        command = ["nsenter", f"--net=/run/netns/{self._space(host)}", "unshare", "--mount", "--propagation", "private"]
        return subprocess.run(
            [*command, "bash", "-c", _ENTER, "enter", *map(str, arguments)],
            capture_output=True, text=True, check=False, timeout=PATIENCE_S,
        )  # fmt: skip

    def carry(self, from_host: str, from_path: str, to_host: str, to_path: str) -> None:
        """Copy one file. What is private never leaves: a key carried by mistake fails here."""
        source, target = self.home(from_host) / from_path, self.home(to_host) / to_path
        data = source.read_bytes()
        assert source.suffix != ".key", f"{from_path} is a key and was to leave {from_host}"
        assert b"PRIVATE KEY" not in data, f"{from_path} holds a private key and was to leave {from_host}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        if to_host in HOSTS:
            for path in (target, target.parent):
                if path != self.home(to_host):
                    os.chown(path, self._user(to_host), self._user(to_host))

    def processes(self, host: str) -> list[int]:
        """What runs on a host."""
        return [int(pid) for pid in self._ip("netns", "pids", self._space(host)).split()]

    def addresses(self, host: str) -> list[str]:
        """A host's addresses on its cables."""
        return [f"10.77.{i}.{1 + pair.index(host)}" for i, pair in enumerate(CABLES) if host in pair]

    def _folders(self) -> None:
        self.base.chmod(0o755)
        for name in ("home", "program", "venv", "python", "etc", "bin", "hosts", "image"):
            (self.base / name).mkdir(mode=0o755)
        for host in HOSTS:
            self.home(host).mkdir(mode=0o700)
            os.chown(self.home(host), self._user(host), self._user(host))
            (self.base / "etc" / host).write_text("127.0.0.1 localhost\n" + "".join(self._known(host)))
        if not self._built:
            command = self.base / "bin/courtrelay"
            command.write_text(_COMMAND.format(base=self.base))
            command.chmod(0o755)

    def _known(self, host: str) -> list[str]:
        """What a host's /etc/hosts says: those at the other end of its cables, and itself."""
        lines = [f"127.0.0.1 {NAMES[host]}\n"] if host in NAMES else []
        for i, pair in enumerate(CABLES):
            if host in pair:
                other = pair[1 - pair.index(host)]
                if other in NAMES:
                    lines.append(f"10.77.{i}.{1 + pair.index(other)} {NAMES[other]}\n")
        return lines

    def _cables(self) -> None:
        for i, (one, other) in enumerate(CABLES):
            ends = [f"cr{self.mark}{i}a", f"cr{self.mark}{i}b"]
            spaces = [self._space(one), self._space(other)]
            self._ip(
                "link", "add", ends[0], "netns", spaces[0], "type", "veth", "peer", "name", ends[1], "netns", spaces[1]
            )
            for number, (end, space) in enumerate(zip(ends, spaces, strict=True), 1):
                self._ip("-n", space, "addr", "add", f"10.77.{i}.{number}/30", "dev", end)
                self._ip("-n", space, "link", "set", end, "up")

    def _remove(self, host: str) -> None:
        """End what runs there, by its own number, and the namespace; its cables go with it."""
        ends = time.monotonic() + PATIENCE_S
        while (running := self.processes(host)) and time.monotonic() < ends:
            for pid in running:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        self._ip("netns", "del", self._space(host))

    def _space(self, host: str) -> str:
        return f"cr{self.mark}-{host}"

    def _user(self, host: str) -> int:
        return FIRST_USER + HOSTS.index(host)

    def _ip(self, *arguments: str) -> str:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
        return done.stdout
