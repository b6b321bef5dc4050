"""The attacker: everything outside the lender's house, a list of candidates with the true ones on it, and every method of linking.

Who runs this holds both ledgers, both mirrors, the relay's database and all traffic between the roles, knows the project's source and
formats, and has a list of people. Each method returns what it found; nothing found is what the design promises before a grant.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

ENTRY_BYTES: Final = 65
TAG: Final = slice(1, 33)
COMMITMENT: Final = slice(33, 65)
KEY_BYTES: Final = 32
PREFIX_BYTES: Final = 8
TAG_DOMAIN: Final = b"courtrelay/tag/v1"
PUBLIC_SALTS: Final = (
    b"",
    b"courtrelay/record/v1",
    b"courtrelay/commitment/v1",
    TAG_DOMAIN,
    b"\x00",
)
"""What a lazy design would salt with: nothing, or something that everybody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A candidate: what a leaked customer list would hold."""

    name: str
    id_number: str
    phone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loot:
    """`blobs`: files and messages by name; `entries`: the mirrored log, in order."""

    blobs: Mapping[str, bytes]
    entries: Sequence[bytes]


def spellings(value: str) -> Iterator[bytes]:
    """How a value may stand in a file: text, JSON escapes, UTF-16, hex, base64 at each of three alignments."""
    raw = value.encode()
    yield raw
    yield value.encode("utf-16-le")
    yield value.encode("unicode_escape")
    yield raw.hex().encode()
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + raw).rstrip(b"=")
        inner = text[(0, 2, 3)[shift] : len(text) - 1]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def said_in_clear(loot: Loot, people: Iterable[Person]) -> list[str]:
    """Values of the people on a (short) list that stand somewhere in any spelling."""
    found = []
    for person in people:
        for value in (person.name, person.id_number, person.phone):
            for spelling in spellings(value):
                found += [f"{value} in {name}" for name, blob in loot.blobs.items() if spelling in blob]
    return found


def _windows(loot: Loot) -> set[int]:
    """Every eight bytes that stand anywhere, as native integers."""
    seen: set[int] = set()
    for blob in loot.blobs.values():
        for offset in range(PREFIX_BYTES):
            whole = (len(blob) - offset) // PREFIX_BYTES * PREFIX_BYTES
            seen.update(memoryview(blob)[offset : offset + whole].cast("Q"))
    return seen


def _guesses(person: Person) -> Iterator[bytes]:
    """What a record of this person could be hashed from without a secret."""
    yield person.id_number.encode()
    yield f"{person.name}{person.id_number}".encode()
    yield f'["id_number","{person.id_number}"]'.encode()
    yield person.phone.encode()


def tied_to_persons(loot: Loot, candidates: Iterable[Person]) -> list[str]:
    """Candidates of whom some hash stands in the loot: the dictionary attack on unsalted or publicly salted digests."""
    seen = _windows(loot)
    found = []
    prefix = int.from_bytes
    for person in candidates:
        for guess in _guesses(person):
            for salt in PUBLIC_SALTS:
                digest = hashlib.sha256(salt + guess).digest()
                if prefix(digest[:PREFIX_BYTES], "little") in seen:
                    found += [f"{person.id_number} in {n}" for n, blob in loot.blobs.items() if digest in blob]
    return found


def tags_from(key: bytes, count: int) -> Iterator[bytes]:
    """The tags of a dossier whose key has been guessed."""
    for seq in range(count):
        yield hmac.digest(key, TAG_DOMAIN + seq.to_bytes(8, "big"), "sha256")


def linked_by_guessed_keys(loot: Loot, keys: Iterable[bytes]) -> list[str]:
    """Keys under which tag 0 or 1 of some dossier is in the log: with such a key all records of a dossier are linked."""
    tags = {entry[TAG] for entry in loot.entries}
    return [key.hex() for key in keys if any(tag in tags for tag in tags_from(key, 2))]


def keys_lying_about(loot: Loot) -> Iterator[bytes]:
    """Every 32 bytes in every file and message, raw or in hex, that could be a key (zeros and text are not tried)."""
    tried: set[bytes] = set()
    for blob in loot.blobs.values():
        for at in range(len(blob) - KEY_BYTES + 1):
            key = blob[at : at + KEY_BYTES]
            if key not in tried and len(set(key)) > KEY_BYTES // 2 and not key.isascii():
                tried.add(key)
                yield key


def keys_from_people(candidates: Iterable[Person]) -> Iterator[bytes]:
    """Keys that a lazy lender would derive from who the customer is."""
    for person in candidates:
        yield hashlib.sha256(person.id_number.encode()).digest()


def linked_by_repetition(loot: Loot) -> list[str]:
    """Any two entries that share eight bytes in a row, beyond the version byte."""
    found, where = [], {}
    for index, entry in enumerate(loot.entries):
        for at in range(1, ENTRY_BYTES - PREFIX_BYTES + 1):
            piece = entry[at : at + PREFIX_BYTES]
            if where.setdefault(piece, index) != index:
                found.append(f"entries {where[piece]} and {index} share {piece.hex()}")
    return found


def linked_by_relation(loot: Loot) -> list[str]:
    """Pairs of entries whose tags or commitments stand in one relation more than once: the same XOR, sum or chain of hashes."""
    found: list[str] = []
    for field in (TAG, COMMITMENT):
        values = [int.from_bytes(entry[field], "big") for entry in loot.entries]
        relations: list[Callable[[int, int], int]] = [lambda a, b: a ^ b, lambda a, b: (a - b) % 2**256]
        for relation in relations:
            seen: dict[int, tuple[int, int]] = {}
            for (i, a), (j, b) in itertools.combinations(enumerate(values), 2):
                if seen.setdefault(relation(a, b), (i, j)) != (i, j):
                    found.append(f"entries {i} and {j} stand in the relation of {seen[relation(a, b)]}")
    held = {piece: index for index, entry in enumerate(loot.entries) for piece in (entry[TAG], entry[COMMITMENT])}
    for index, entry in enumerate(loot.entries):
        for piece in (entry[TAG], entry[COMMITMENT], entry):
            after = hashlib.sha256(piece).digest()
            if after in held:
                found.append(f"entry {held[after]} is the hash of entry {index}")
    return found


def distance_score(loot: Loot, dossiers: Sequence[int]) -> float:
    """Standard deviations by which entries of one dossier are nearer to each other (in differing bits) than entries of two.

    `dossiers[i]` is the true dossier of entry i: the attacker is even given the answers to learn from.
    """
    within: list[int] = []
    across: list[int] = []
    for (i, a), (j, b) in itertools.combinations(enumerate(loot.entries), 2):
        bits = (int.from_bytes(a[1:], "big") ^ int.from_bytes(b[1:], "big")).bit_count()
        (within if dossiers[i] == dossiers[j] else across).append(bits)
    mean = sum(across) / len(across)
    spread = (512 / 4) ** 0.5 / len(within) ** 0.5
    return abs(sum(within) / len(within) - mean) / spread
