"""A SoftHSM2 of the tests' own: tokens in a temporary folder, keys imported with its own tool."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/libsofthsm2.so",
)
CONF = "SOFTHSM2_CONF"
PIN = "sesame-5678"


def find_module() -> Path | None:
    """The module, where SoftHSM2 and its tool are installed."""
    if shutil.which("softhsm2-util") is None:
        return None
    return next((Path(name) for name in MODULES if Path(name).exists()), None)


@dataclass(frozen=True)
class SoftHsm:
    """The folder that holds the tokens; `CONF` in the environment points to it."""

    module: Path
    folder: Path

    def run(self, *arguments: str) -> None:
        """Its tool."""
        done = subprocess.run(["softhsm2-util", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def new_token(self, label: str) -> None:
        """An empty token; its PIN lies in `pin.txt`."""
        self.run("--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN)

    def put(self, token: str, label: str, pem: Path, *, number: int = 1) -> None:
        """A key pair from a PKCS#8 file."""
        self.run("--import", str(pem), "--token", token, "--pin", PIN, "--label", label, "--id", f"{number:02x}")

    @property
    def pin(self) -> Path:
        """The file with the PIN."""
        return self.folder / "pin.txt"

    def uri(self, token: str, named: str, pin: Path | None = None) -> str:
        """A URI; `named` is `object=…`, `id=…` or both."""
        return f"pkcs11:token={token};{named}?module-path={self.module}&pin-source=file:{pin or self.pin}"


@contextmanager
def running_softhsm() -> Iterator[SoftHsm]:
    """For this process and its children; a process reads the setting once, so one for the whole suite."""
    module = find_module()
    assert module is not None, "SoftHSM2 is not installed"
    with tempfile.TemporaryDirectory(prefix="hsm-") as name:
        folder = Path(name)
        (folder / "tokens").mkdir()
        (folder / "pin.txt").write_text(PIN + "\n")
        (folder / "pin.txt").chmod(0o600)
        (folder / "conf").write_text(
            f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        before = os.environ.get(CONF)
        os.environ[CONF] = str(folder / "conf")
        try:
            yield SoftHsm(module, folder)
        finally:
            if before is None:
                del os.environ[CONF]
            else:
                os.environ[CONF] = before
