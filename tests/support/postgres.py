"""A PostgreSQL cluster of the tests' own: in a temporary folder, reached through a socket in it, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")
ACCOUNT = "postgres"
"""initdb refuses to run as root: the account that Debian's package makes does it then."""
_numbers = count(1)


def find_programs() -> Path | None:
    """The folder with `initdb`, the newest version if there are several; None where PostgreSQL is not installed."""
    candidates = sorted(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("pg_ctl")
    candidates += [Path(on_path).resolve().parent] if on_path else []
    return next((path for path in candidates if (path / "initdb").exists() and (path / "pg_ctl").exists()), None)


class Cluster:
    """One server and its data folder."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._data = folder / "data"
        account = pwd.getpwnam(ACCOUNT) if os.geteuid() == 0 else None
        # as a program of its own: a forked child of a process with gRPC's threads may not live to change its user itself
        ids = (f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}") if account else ()
        self._as_account = ("setpriv", *ids, "--clear-groups", "--") if account else ()
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs; its output."""
        done = subprocess.run(
            [*self._as_account, str(self._programs / program), *arguments], cwd=self.folder, capture_output=True,
            text=True, check=False, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert done.returncode == 0, f"{program} {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def create(self) -> None:
        """Make the data folder."""
        self.run("initdb", "-D", str(self._data), "-U", ACCOUNT, "--auth=trust", "-E", "UTF8", "--no-locale")

    def copy_as_replica(self, folder: Path) -> Cluster:
        """A standby that follows this running server, not started yet."""
        standby = Cluster(self._programs, folder)
        arguments = ("-h", str(self.folder), "-U", ACCOUNT, "-D", str(standby._data), "-R", "-c", "fast")
        standby.run("pg_basebackup", *arguments)
        return standby

    def start(self, settings: Mapping[str, str] | None = None) -> None:
        """Start and wait until it answers."""
        given = {"listen_addresses": "", "unix_socket_directories": str(self.folder), **(settings or {})}
        options = " ".join(f"-c {name}='{value}'" for name, value in given.items())
        self.run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """`immediate`: as if the power had gone."""
        self.run("pg_ctl", "-D", str(self._data), "-w", "-m", mode, "stop")

    @property
    def running(self) -> bool:
        """Whether a server has the data folder."""
        return (self._data / "postmaster.pid").exists()

    def url(self, database: str) -> str:
        """Where a database is."""
        return f"postgresql://{ACCOUNT}@/{database}?host={self.folder}"

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run a statement with `psql`; the rows as text."""
        command = ("-h", str(self.folder), "-U", ACCOUNT, "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text)
        return self.run("psql", *command).strip()

    def new_database(self) -> str:
        """The address of a database that is empty."""
        name = f"test_{next(_numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)


@contextmanager
def running_cluster(settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A started server. Its folder's name is short: a socket's path has 107 bytes at most."""
    programs = find_programs()
    assert programs is not None, "PostgreSQL is not installed"
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        cluster = Cluster(programs, Path(folder))
        cluster.create()
        cluster.start(settings)
        try:
            yield cluster
        finally:
            if cluster.running:
                cluster.stop("immediate")
