"""Checks of keys, secrets and the data folder."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from relay.app.doctor.findings import Findings
from relay.app.doctor.subject import Subject
from relay.config.ops import DISK_FREE_MIN
from relay.core.errors import Malformed, RelayError
from relay.core.jose import thumbprint
from relay.core.sealing import Kem, SealingPrivateKey
from relay.durable.files import FILE_MODE
from relay.durable.looking import lock_holder, look_at
from relay.private.files import read_private
from relay.private.references import read_secret
from relay.setup.signers import open_signer
from relay.transport.ports import named

PROBE_BYTES = 4096
PublicKeys = dict[str, bytes]
"""Key of the configuration file → public key, of those that could be read."""


def check_keys(subject: Subject, findings: Findings) -> PublicKeys:
    """Every key and secret is there, private, and of its kind."""
    public: PublicKeys = {}
    for key in subject.keys:
        try:
            public[key.label] = open_signer(key.reference).public_key
            findings.ok("keys", key.label, f"Ed25519, kid {thumbprint(public[key.label])} ({key.reference})")
        except (RelayError, OSError) as error:
            _refused(findings, key.label, error)
    for label, reference, length in subject.secrets:
        try:
            data = read_secret(reference, length)
            findings.ok("keys", label, f"{length} bytes ({reference})")
            if label == "keys.sealing":
                public[label] = SealingPrivateKey(kem=Kem.MLKEM768_X25519, raw=data).public_key.raw
        except (RelayError, OSError, ValueError) as error:
            _refused(findings, label, error)
    for label, path in subject.files:
        try:
            read_private(path)
            findings.ok("keys", label, f"private ({path})")
        except (RelayError, OSError) as error:
            _refused(findings, label, error)
    return public


def _refused(findings: Findings, label: str, error: BaseException) -> None:
    is_access = isinstance(error, Malformed) and error.concern == "access"
    findings.refused("permissions" if is_access else "keys", label, error)


def check_data(subject: Subject, findings: Findings) -> int | None:
    """The data folder, its room and its store. The process id of whoever has it, 0 when that is unknown; None for nobody."""
    data = subject.data
    if data is None:
        return None
    if not data.is_dir():
        _missing(data, subject.disk_free_bytes_min, findings)
        return None
    _owner(data, findings)
    _writable(data, findings)
    _room(data, subject.disk_free_bytes_min, findings)
    _schemas(subject, findings)
    return _lock(data, findings)


def _missing(data: Path, least: int | None, findings: Findings) -> None:
    above = next(folder for folder in data.parents if folder.exists())
    if data.exists():
        findings.problem("data", data, "is no folder; move it away, the role makes its own")
    elif not os.access(above, os.W_OK | os.X_OK):
        findings.problem("data", data, f"is not there, and this user cannot make it in {above}; make it, and chown it")
    else:
        findings.ok("data", data, "is not there yet; the role makes it when it starts")
        _room(above, least, findings)


def _owner(data: Path, findings: Findings) -> None:
    found = data.stat()
    if found.st_uid != os.geteuid():
        findings.warning(
            "data", data, f"belongs to user {found.st_uid}, this is user {os.geteuid()}; run doctor as the role's user"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        findings.warning("permissions", data, f"has mode {mode}, open to others than its owner; chmod 700 it")


def _writable(data: Path, findings: Findings) -> None:
    """By a small file, synced and removed."""
    probe = data / f".doctor-{os.getpid()}"
    try:
        handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        try:
            os.write(handle, bytes(PROBE_BYTES))
            os.fsync(handle)
        finally:
            os.close(handle)
            probe.unlink()
    except OSError as error:
        findings.problem("data", data, f"cannot be written: {error.strerror}; make room, or chown it to this user")
        return
    findings.ok("data", data, "can be written")


def _room(data: Path, least: int | None, findings: Findings) -> None:
    least = DISK_FREE_MIN if least is None else least
    free = shutil.disk_usage(data).free
    told = f"{free / 1024**2:,.0f} MiB free, {least / 1024**2:,.0f} wanted"
    if free < least:
        findings.problem("disk", data, f"{told} (ops.disk_free_bytes_min); make room before a write fails")
    elif free < 2 * least:
        findings.warning("disk", data, f"{told}; make room")
    else:
        findings.ok("disk", data, told)
    counted = os.statvfs(data)
    if counted.f_files and not counted.f_favail:
        findings.problem("disk", data, "no room for another file (inodes); remove what is not needed")


def _schemas(subject: Subject, findings: Findings) -> None:
    for store in subject.stores:
        try:
            found = look_at(store.path)
        except (RelayError, OSError) as error:
            findings.refused("schema", store.path, error)
            continue
        if found is None or (found.application == 0 and found.version == 0):
            findings.ok("schema", store.path, f"is not there yet; version {store.version} is made at the first start")
        elif found.application != store.application:
            findings.problem("schema", store.path, f"belongs to another program (id {found.application:#x})")
        elif found.version > store.version:
            reason = f"is of schema {found.version}, this program knows {store.version}; run the newer version"
            findings.problem("schema", store.path, f"{reason}, or restore the backup made before the update")
        elif found.version < store.version:
            reason = f"is of schema {found.version}; the start brings it to {store.version}: back it up before"
            findings.warning("schema", store.path, reason)
        elif not found.wal:
            reason = "has no write-ahead log; the start sets it. If it stays so, the file system cannot lock: use a local one"
            findings.warning("settings", store.path, reason)
        else:
            findings.ok("schema", store.path, f"version {found.version}, write-ahead log")


def _lock(data: Path, findings: Findings) -> int | None:
    try:
        holder = lock_holder(data)
    except OSError as error:
        findings.refused("lock", data, error)
        return None
    if holder is None:
        findings.ok("lock", data, "free; the role does not run")
        return None
    if not holder.isdecimal():
        findings.warning("lock", data, "is held by a process that left no id; `fuser` may find it")
        return 0
    findings.ok("lock", data, f"held by {named(int(holder))}: the role runs")
    return int(holder)
