"""A tiled log written by hand, with nothing of the program's: hashes, tiles, notes and cosignatures from hashlib and Ed25519 alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "bank.example/evidence"
NOW_S = 1_762_160_400


class Key:
    """A named Ed25519 key; `kind` is the type byte of its note signatures."""

    def __init__(self, name: str, kind: int, seed: str = "", private: Ed25519PrivateKey | None = None) -> None:
        self.name, self.kind = name, kind
        made = Ed25519PrivateKey.from_private_bytes(hashlib.sha256((seed or name).encode()).digest())
        self.private = private or made
        self.public = self.private.public_key().public_bytes_raw()
        self.id = hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"

    def line(self, text: str, time_s: int = 0) -> str:
        if self.kind == 1:
            signature = self.private.sign(text.encode())
        else:
            signature = time_s.to_bytes(8, "big") + self.private.sign(f"cosignature/v1\ntime {time_s}\n{text}".encode())
        return f"— {self.name} {base64.b64encode(self.id + signature).decode()}\n"


LOG = Key(ORIGIN, 1)
WITNESSES = tuple(Key(f"witness.example/w{n}", 4) for n in range(1, 4))


def entry(index: int, branch: int = 0) -> bytes:
    """65 bytes, as a courtrelay log holds."""
    return bytes([1]) + hashlib.sha512(f"{index} {branch}".encode()).digest()


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def mth(hashes: tuple[bytes, ...]) -> bytes:
    """RFC 6962 section 2.1 over leaf hashes, as it is written there."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + _mth(hashes[:k]) + _mth(hashes[k:])).digest()


_mth = lru_cache(maxsize=4096)(mth)


def name_of(index: int) -> str:
    """tlog-tiles: groups of three digits, all but the last with an x."""
    text = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        text = f"x{index % 1000:03}/{text}"
    return text


@dataclass
class Log:
    """Entries with the files of their log. `files` takes a path below the prefix and its bytes."""

    put: Callable[[str, bytes], None]
    entries: list[bytes] = field(default_factory=list)
    key: Key = LOG
    witnesses: Sequence[Key] = WITNESSES
    origin: str = ORIGIN

    def grow(self, size: int, branch: int = 0) -> None:
        self.entries += [entry(i, branch) for i in range(len(self.entries), size)]

    def fork(self, at: int, size: int) -> None:
        """Entries from `at` on are others."""
        self.entries = self.entries[:at] + [entry(i, 1) for i in range(at, size)]

    def root(self, size: int) -> bytes:
        return mth(tuple(leaf(e) for e in self.entries[:size]))

    def text(self, size: int, root: bytes | None = None) -> str:
        return f"{self.origin}\n{size}\n{base64.b64encode(root or self.root(size)).decode()}\n"

    def note(
        self, size: int, *, witnesses: Sequence[Key] | None = None, time_s: int = NOW_S, root: bytes | None = None
    ) -> bytes:
        """Signed and cosigned; the n-th witness signs n seconds after `time_s`."""
        text = self.text(size, root)
        who = self.witnesses if witnesses is None else witnesses
        return (
            text + "\n" + self.key.line(text) + "".join(w.line(text, time_s + n) for n, w in enumerate(who))
        ).encode()

    def write_tiles(self, size: int) -> None:
        """All files of a tree of `size` that it does not share with a smaller one of this log, and full tiles again."""
        hashes = [leaf(e) for e in self.entries[:size]]
        level = 0
        while hashes:
            for start in range(0, len(hashes), 256):
                part = hashes[start : start + 256]
                suffix = "" if len(part) == 256 else f".p/{len(part)}"
                self.put(f"tile/{level}/{name_of(start // 256)}{suffix}", b"".join(part))
                if level == 0:
                    rows = self.entries[start : start + len(part)]
                    bundle = b"".join(len(e).to_bytes(2, "big") + e for e in rows)
                    self.put(f"tile/entries/{name_of(start // 256)}{suffix}", bundle)
            whole = [tuple(hashes[i : i + 256]) for i in range(0, len(hashes) - 255, 256)]
            hashes = [mth(one) for one in whole]
            level += 1

    def publish(
        self, size: int, *, witnesses: Sequence[Key] | None = None, time_s: int = NOW_S, tiles: bool = True
    ) -> bytes:
        """Grow to `size` if need be, write the files, then the checkpoint."""
        self.grow(size)
        if tiles:
            self.write_tiles(size)
        note = self.note(size, witnesses=witnesses, time_s=time_s)
        self.put("checkpoint", note)
        return note


def folder_log(folder: Path) -> Log:
    """A log in a folder."""

    def put(path: str, data: bytes) -> None:
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    folder.mkdir(parents=True, exist_ok=True)
    return Log(put)
