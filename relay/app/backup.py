"""`courtrelay backup` and `courtrelay restore`: the data folder of one role, whole, with a manifest that is checked before it is used."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relay.app.exits import EXIT_BEHIND
from relay.app.runtime import program_version
from relay.config.roles import Common, CourtConfig, CustodianConfig, RelayConfig, read_court, read_custodian, read_relay
from relay.core.canonical import Fields, dumps, loads
from relay.core.errors import Conflict, Malformed, Unavailable
from relay.core.limits import TREE_SIZE_MAX
from relay.core.times import format_utc
from relay.durable import snapshot
from relay.durable.files import make_folder, write_file
from relay.store.custodian_restored import missing_payload, spend_all_uses
from relay.store.log_files import ROW_BYTES

FORMAT: Final = "courtrelay-backup/v1"
MANIFEST: Final = "manifest.json"
MANIFEST_BYTES_MAX: Final = 256 * 1024 * 1024
FILES_MAX: Final = 10_000_000
DATA: Final = "data"
KEYS: Final = "keys"
TRIES: Final = 5
ROLES: Final = ("custodian", "relay", "court")
CATCHES_UP: Final[Mapping[str, str]] = {
    "custodian": (
        f"Before it serves, it asks its ledger how far its logs were anchored, and ends with exit code {EXIT_BEHIND} when they went further"
        " than this backup: then `courtrelay catch-up` (docs/backup.md). All uses of the grants in it count as spent: issue them again."
        " Records deposited after it must be deposited again; what was erased after it must be erased again"
    ),
    "relay": (
        "It reads its lenders' ledgers again from the block in which this backup was made; entries are pushed to it again;"
        " what stands on the court's ledger is found there and not written twice"
    ),
    "court": (
        "Receipts are read from the court's ledger again and entries sent again with the next checkpoint; bundles and cases made after it"
        f" are lost; it ends with exit code {EXIT_BEHIND} when the ledger has a larger head of its custody log (docs/backup.md)"
    ),
}
Config = CustodianConfig | RelayConfig | CourtConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds. `files`: path below the backup → (bytes, SHA-256 in hex)."""

    role: str
    identity: str
    made_s: int
    program: str
    schemas: Mapping[str, int]
    logs: Mapping[str, int]
    files: Mapping[str, tuple[int, str]]

    def as_json(self) -> dict[str, Any]:
        """For the file, and for programs."""
        return {
            "format": FORMAT,
            "role": self.role,
            "identity": self.identity,
            "made": self.made_s,
            "program": self.program,
            "schemas": [{"name": name, "version": version} for name, version in sorted(self.schemas.items())],
            "logs": [{"origin": origin, "size": size} for origin, size in sorted(self.logs.items())],
            "files": [{"path": p, "size": size, "sha256": sha} for p, (size, sha) in sorted(self.files.items())],
        }

    def words(self) -> str:
        """One line."""
        total = sum(size for size, _ in self.files.values())
        logs = ", ".join(f"{size} entries of {origin}" for origin, size in sorted(self.logs.items())) or "no log"
        return f"{self.role} of {format_utc(self.made_s)}: {len(self.files)} files, {total:,} bytes, {logs}"


def read_config(role: str, path: Path) -> Config:
    """The configuration of a role that can be backed up. Raises `Malformed`."""
    readers: dict[str, Callable[[Path], Config]] = {
        "custodian": read_custodian,
        "relay": read_relay,
        "court": read_court,
    }
    if role not in readers:
        raise Malformed("backup", "role", f"{role!a} is none of {', '.join(ROLES)}")
    if not path.is_file():
        raise Malformed(str(path), "", "no such configuration file")
    config = readers[role](path)
    if isinstance(config, RelayConfig) and config.store is not None:
        reason = (
            "this relay's memory is in PostgreSQL: back that up with pg_dump or by its own means (docs/backup.md);"
            " its data folder holds nothing else that counts"
        )
        raise Malformed(str(path), "store", reason)
    return config


def back_up(role: str, path: Path, out: Path, now_s: int, *, with_keys: bool) -> Manifest:
    """Copy a running or stopped role's data into a folder that must not exist, and read it back.

    Raises `Malformed`, `Conflict`, `Unavailable` (payloads were erased again and again meanwhile), `StorageFailed`.
    """
    config = read_config(role, path)
    if out.exists():
        raise Conflict(f"{out} exists; a backup is never overwritten")
    data = config.common.data
    if not snapshot.databases(data):
        raise Malformed(str(data), "", f"holds no database; has this {role} ever run?")
    draft = out.with_name(out.name + ".new")
    for _ in range(TRIES):
        shutil.rmtree(draft, ignore_errors=True)
        make_folder(draft / DATA)
        try:
            manifest = _copy(role, config, draft, now_s, with_keys=with_keys)
        except FileNotFoundError:
            continue  # a file was removed for good while it was copied: begin again with what is there now
        write_file(draft / MANIFEST, dumps(manifest.as_json()))
        verify_backup(draft)
        snapshot.sync_tree(draft)
        draft.rename(out)
        snapshot.sync_tree(out)
        return verify_backup(out)
    raise Unavailable(f"files of {data} were removed while they were copied, {TRIES} times; try again")


def _copy(role: str, config: Config, draft: Path, now_s: int, *, with_keys: bool) -> Manifest:
    """Raises FileNotFoundError when something that is needed was erased meanwhile."""
    data, target = config.common.data, draft / DATA
    schemas: dict[str, int] = {}
    logs: dict[str, int] = {}
    for database in snapshot.databases(data):
        name = database.relative_to(data)
        copied = snapshot.copy_database(database, target / name)
        schemas[str(name)] = copied.schema
        for origin, size in copied.logs.items():
            logs[origin] = size
            pack = Path(snapshot.LOGS, snapshot.log_folder(origin), snapshot.ENTRIES)
            snapshot.copy_file(data / pack, target / pack, size * ROW_BYTES)
    for name in snapshot.other_files(data):
        try:
            snapshot.copy_file(data / name, target / name)
        except FileNotFoundError:
            continue  # whether anything needs it is looked at below
    if role == "custodian" and (lost := missing_payload(target)):
        raise FileNotFoundError(lost)
    if with_keys:
        for key in sorted(set(_private(config))):
            # under its whole path: two folders may hold keys of one name, and who restores must know where each belongs
            place = Path(os.path.normpath(key.absolute()))
            snapshot.copy_file(key, draft / KEYS / place.relative_to(place.anchor))
    paths = sorted(p for p in draft.rglob("*") if p.is_file())
    return Manifest(
        role=role,
        identity=config.common.identity,
        made_s=now_s,
        program=program_version(),
        schemas=schemas,
        logs=logs,
        files={str(p.relative_to(draft)): snapshot.digest_of(p) for p in paths},
    )


def _private(config: Config) -> Iterator[Path]:
    """Every private key that a configuration names and that is a file."""
    yield config.common.tls.key
    for one in dataclasses.fields(config):
        value = getattr(config, one.name)
        if one.name.endswith(("_key", "_keys")):
            yield from (v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, Path))


def read_manifest(backup: Path) -> Manifest:
    """Raises `Malformed` naming file and member."""
    path = backup / MANIFEST
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}; is this a backup?") from None
    fields = Fields(loads(raw, what=str(path), bytes_max=MANIFEST_BYTES_MAX), what=str(path))
    fields.literal("format", FORMAT)
    manifest = Manifest(
        role=fields.literal("role", *ROLES),
        identity=fields.identifier("identity"),
        made_s=fields.time_s("made"),
        program=fields.plain("program", chars_max=64),
        schemas={
            one.plain("name", chars_max=255): one.integer("version", low=1, high=10_000)
            for one in fields.objects("schemas", count_max=16)
        },
        logs={
            one.identifier("origin"): one.integer("size", high=TREE_SIZE_MAX)
            for one in fields.objects("logs", count_max=10_000, empty=True)
        },
        files={
            _inside(one): (one.integer("size", high=2**53), one.digest("sha256"))
            for one in fields.objects("files", count_max=FILES_MAX)
        },
    )
    fields.done()
    return manifest


def _inside(fields: Fields) -> str:
    """A path that stays below the backup."""
    name = fields.plain("path", chars_max=1024)
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or str(path) != name or path.parts[0] not in (DATA, KEYS):
        raise fields.refuse("path", f"{name!a} is no path below the backup")
    return name


def verify_backup(backup: Path) -> Manifest:
    """Every file is what the manifest says, no other is there, every database can be read through. Raises `Malformed`."""
    manifest = read_manifest(backup)
    held = {str(p.relative_to(backup)) for p in backup.rglob("*") if p.is_file() or p.is_symlink()} - {MANIFEST}
    for name in sorted(held ^ set(manifest.files)):
        raise Malformed(str(backup / name), "", "is missing" if name in manifest.files else "is not in the manifest")
    for name, (size, sha256) in manifest.files.items():
        path = backup / name
        if path.is_symlink() or snapshot.digest_of(path) != (size, sha256):
            raise Malformed(str(path), "", "is not the file that was backed up")
    for name, version in manifest.schemas.items():
        path = backup / DATA / name
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            try:
                found = snapshot.read_database(connection, path)
            except sqlite3.Error as error:
                raise Malformed(str(path), "", f"is damaged ({error})") from None
        if found.schema != version or any(manifest.logs.get(o) != size for o, size in found.logs.items()):
            raise Malformed(str(path), "", "is not the database that the manifest describes")
    return manifest


def restore(role: str, path: Path, backup: Path) -> Manifest:
    """Put a backup in the place of a data folder that is empty or not there; keys are not touched.

    Raises `Malformed` (not a backup of this role, or damaged), `Conflict` (the folder is not empty), `StorageFailed`.
    """
    config = read_config(role, path)
    common: Common = config.common
    manifest = verify_backup(backup)
    if (manifest.role, manifest.identity) != (role, common.identity):
        raise Malformed(
            str(backup), "", f"is a backup of {manifest.role} {manifest.identity}, not of {common.identity}"
        )
    data = common.data
    if data.exists() and any(data.iterdir()):
        raise Conflict(f"{data} is not empty; move it away first: nothing is restored over what is there")
    if data.is_mount():
        raise Malformed(str(data), "", "is a mount point; let the configuration's `data` name a folder below it")
    draft = data.with_name(data.name + ".restoring")
    shutil.rmtree(draft, ignore_errors=True)
    for name in manifest.files:
        if Path(name).parts[0] == DATA:
            snapshot.copy_file(backup / name, draft / Path(name).relative_to(DATA))
    if role == "custodian":
        spend_all_uses(draft)
    snapshot.sync_tree(draft)
    draft.rename(data)
    snapshot.sync_tree(data)
    return manifest
