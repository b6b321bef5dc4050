"""Evidence bundles made by the whole way, and taken apart and put together again by an attacker."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from relay.app.adapters import verifiers
from relay.app.initialise import initialise
from relay.core.bundle import (
    MANIFEST,
    SEAL,
    BundleManifest,
    BundlePart,
    make_seal,
    manifest_bytes,
    parse_bundle_manifest,
)
from relay.core.bundlezip import FileSource, Part, content, directory, local_header, read_parts, sorted_parts
from relay.core.trust import TrustRoots, parse_trust_roots
from relay.core.verdict import Verdict
from relay.core.verify import verify_bundle
from relay.services.court.bundle_file import StagedPart
from relay.setup.keys import FileSigner, load_signing_key
from tests.support.lines import small_dossier
from tests.support.way import open_way

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Made:
    """A bundle, what verifies it, and the court's seal key for an attacker who has stolen it."""

    data: bytes
    trust: TrustRoots
    seal: FileSigner
    home: Path

    def verify(self, data: bytes) -> Verdict:
        """The verdict on other bytes under the same trust roots."""
        return verify_bundle(FileSource(io.BytesIO(data)), self.trust, verifiers())

    def parts(self) -> dict[str, bytes]:
        """Every part by name."""
        return take_apart(self.data)

    def sealed_again(self, parts: Mapping[str, bytes], **changes: Any) -> bytes:
        """The parts as a bundle whose manifest, digests and seal fit: the attacker has the seal key."""
        manifest = replace(parse_bundle_manifest(parts[MANIFEST]), **changes)
        rest = {name: data for name, data in parts.items() if name not in (MANIFEST, SEAL)}
        manifest = replace(manifest, parts=tuple(BundlePart(**_row(n, d)) for n, d in sorted(rest.items())))
        return put_together({**rest, **self._sealed(manifest)})

    def _sealed(self, manifest: BundleManifest) -> dict[str, bytes]:
        data = manifest_bytes(manifest)
        token = make_seal(
            iss=manifest.court,
            manifest=data,
            iat=manifest.made_at_s,
            public_key=self.seal.public_key,
            sign=self.seal.sign,
        )
        return {MANIFEST: data, SEAL: token.encode()}


def _row(name: str, data: bytes) -> dict[str, Any]:
    part = StagedPart.of(name, data)
    return {"name": name, "size": part.size, "sha256": part.sha256}


def take_apart(data: bytes) -> dict[str, bytes]:
    """Every part of a bundle by name."""
    source = FileSource(io.BytesIO(data))
    return {placed.part.name: b"".join(content(source, placed)) for placed in read_parts(source)}


def put_together(parts: Mapping[str, bytes]) -> bytes:
    """A bundle in the one spelling of these parts."""
    staged = {name: StagedPart.of(name, data) for name, data in parts.items()}
    ordered = sorted_parts([Part(name=p.name, size=p.size, crc32=p.crc32) for p in staged.values()])
    return b"".join(local_header(part) + parts[part.name] for part in ordered) + directory(ordered)


def make_home(folder: Path) -> Path:
    """A fresh development network on free ports."""
    initialise(folder, base_port=0, validators=2, threshold=1)
    return folder


def noon_of(home: Path) -> int:
    """A fixed moment within the validity of a home's keys, the same whenever it is asked."""
    trust = parse_trust_roots((home / "trust.json").read_bytes())
    return max(key.valid_from_ms for key in trust.pinned_keys) + 2 * DAY_MS


async def retrieve_once(home: Path, *, lines: list[Any] | None = None, seed: str = "a") -> bytes:
    """Deposit, anchor, confirm, grant, retrieve: the bundle."""
    async with open_way(home, now_ms=noon_of(home), seed=seed) as way:
        stored = await way.deposit("loan 1", lines if lines is not None else small_dossier())
        await way.forward()
        _, _, data = await way.retrieve(await way.grant(stored.dossier))
        return data


def make_bundle(folder: Path, count: int = 3) -> Made:
    """A small bundle in a home of its own."""
    home = make_home(folder)
    data = asyncio.run(retrieve_once(home, lines=small_dossier(count)))
    return Made(
        data=data,
        trust=parse_trust_roots((home / "trust.json").read_bytes()),
        seal=load_signing_key(home / "court/keys/seal.pem"),
        home=home,
    )


def copy_home(home: Path, to: Path) -> Path:
    """The same keys and configuration, nothing stored yet."""
    return Path(shutil.copytree(home, to))
