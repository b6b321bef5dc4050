"""Read one TOML table strictly: every key typed, unknown keys refused, errors with file and key."""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from relay.core.errors import Malformed
from relay.core.identity import TRUST_DOMAIN, Role, parse_identity
from relay.private.references import SecretReference, parse_reference, read_text
from relay.setup.pkcs11_uri import SCHEME
from relay.setup.signers import KeyReference, parse_key_reference

CONFIG_BYTES_MAX: Final = 1024 * 1024
PORT_MAX: Final = 65_535
PYTHON_PLACE: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)
"""A module and a name in it."""


MANY_S: Final = 1000
"""From here on a number that is too large looks like milliseconds."""


def _instead(value: object) -> str:
    """What stands there, where it is short and of one line."""
    shown = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    kinds = isinstance(value, str | int | float) and len(shown) <= 40 and shown.isprintable()
    return f", not {shown}" if kinds else ""


class Table:
    """One table being read. Call a reader per key, then `done()`. Every reader raises only `Malformed`."""

    def __init__(self, values: dict[str, object], *, file: Path, path: str = "") -> None:
        self._values = dict(values)
        self._file = file
        self._path = path
        self._asked: set[str] = set()

    def at(self, key: str) -> str:
        """The key with its table."""
        return f"{self._path}.{key}" if self._path else key

    def refuse(self, key: str, reason: str) -> Malformed:
        """The error for a key; the caller raises it."""
        return Malformed(str(self._file), self.at(key), reason)

    def has(self, key: str) -> bool:
        """Whether an optional key is there."""
        self._asked.add(key)
        return key in self._values

    def done(self) -> None:
        """Refuse what nobody asked for."""
        if self._values:
            unknown = min(self._values)
            near = get_close_matches(unknown, self._asked, n=1)
            known = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(self._asked)) or 'none'}"
            raise self.refuse(unknown[:80], f"is not a known key here; {known}")

    def _take(self, key: str) -> object:
        self._asked.add(key)
        if key not in self._values:
            raise self.refuse(key, "is missing")
        return self._values.pop(key)

    def text(self, key: str) -> str:
        """A non-empty string."""
        value = self._take(key)
        if not isinstance(value, str) or not value:
            raise self.refuse(key, "must be a non-empty string")
        return value

    def listen(self, key: str) -> tuple[str, str]:
        """`<address>:<port>` to listen at, and the address alone; port 0 takes a free one."""
        text = self.text(key)
        host, _, port = text.rpartition(":")
        if not host or not port.isascii() or not port.isdecimal() or int(port) > PORT_MAX:
            raise self.refuse(key, "must be <address>:<port>")
        return text, host

    def file(self, key: str) -> Path:
        """A path, relative to the configuration file."""
        return (self._file.parent / self.text(key)).resolve()

    def signing_key(self, key: str) -> KeyReference:
        """Where an Ed25519 key is: a file relative to the configuration file (also `file:PATH`), `env:NAME` or `pkcs11:…`."""
        try:
            return parse_key_reference(self.text(key), self._file.parent)
        except Malformed as error:
            raise self.refuse(key, f"{error.field}: {error.reason}" if error.field else error.reason) from None

    def signing_keys(self, key: str) -> tuple[KeyReference, ...]:
        """A non-empty list of them."""
        value = self._take(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
            raise self.refuse(key, "must be a non-empty list of key references")
        inner = {f"{key}[{i}]": item for i, item in enumerate(value)}
        table = Table(dict(inner), file=self._file, path=self._path)
        return tuple(table.signing_key(name) for name in inner)

    def private_file(self, key: str) -> Path:
        """A file that a library reads itself: PATH or `file:PATH`, relative to the configuration file."""
        path = self._reference(key, bare=True)
        if not isinstance(path, Path):
            raise self.refuse(key, "must be PATH or file:PATH: this key is read from a file alone")
        return path

    def reference(self, key: str) -> SecretReference:
        """Where a secret is: a file relative to the configuration file (also `file:PATH`), or `env:NAME`."""
        return self._reference(key, bare=True)

    def secret(self, key: str) -> str:
        """A text that does not stand in the file itself: `env:NAME`, or `file:PATH` relative to the configuration file."""
        reference = self._reference(key, bare=False)
        try:
            return read_text(reference)
        except Malformed as error:
            raise Malformed(
                str(self._file), self.at(key), f"{error.what} {error.reason}", concern=error.concern
            ) from None

    def _reference(self, key: str, *, bare: bool) -> SecretReference:
        text = self.text(key)
        if text.startswith(SCHEME):
            raise self.refuse(key, "a token holds signing keys alone; must be file:PATH or env:NAME")
        try:
            return parse_reference(text, self._file.parent, bare=bare)
        except Malformed as error:
            raise self.refuse(key, error.reason) from None

    def words(self, key: str, allowed: frozenset[str]) -> frozenset[str]:
        """A list of words of a fixed set; it may be empty."""
        value = self._take(key)
        if not isinstance(value, list) or not all(isinstance(item, str) and item in allowed for item in value):
            raise self.refuse(key, f"must be a list of words out of {', '.join(sorted(allowed))}")
        return frozenset(str(item) for item in value)

    def command(self, key: str) -> str | tuple[str, ...]:
        """`module:function` of Python, or a non-empty list: a program and its arguments."""
        value = self._take(key)
        if isinstance(value, str) and PYTHON_PLACE.fullmatch(value):
            return value
        if isinstance(value, list) and value and all(isinstance(item, str) and item for item in value):
            return tuple(value)
        raise self.refuse(key, "must be module:function, or a list of a program and its arguments")

    def integer(self, key: str, *, low: int, high: int) -> int:
        """A whole number within [low, high]."""
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.refuse(key, f"must be a whole number from {low} to {high}{_instead(value)}")
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._take(key)
        if not isinstance(value, bool):
            raise self.refuse(key, "must be true or false")
        return value

    def seconds(self, key: str, *, low: float, high: float) -> float:
        """A duration in seconds within [low, high]."""
        value = self._take(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            unit = ": are these milliseconds?" if isinstance(value, int) and value >= MANY_S and value > high else ""
            reason = f"must be seconds from {low:g} to {high:g}, a number without a unit{_instead(value)}{unit}"
            raise self.refuse(key, reason)
        return float(value)

    def identity(self, key: str, role: Role) -> str:
        """A SPIFFE id of that role."""
        text = self.text(key)
        if parse_identity(text, what=str(self._file), field=self.at(key)).role is not role:
            raise self.refuse(key, f"must be the id of a {role.value}")
        return text

    def identities(self, key: str, *roles: Role) -> frozenset[str]:
        """A non-empty list of SPIFFE ids of these roles."""
        value = self._take(key)
        if not isinstance(value, list) or not value:
            raise self.refuse(key, "must be a non-empty list: empty means that nobody may")
        for item in value:
            if (
                not isinstance(item, str)
                or parse_identity(item, what=str(self._file), field=self.at(key)).role not in roles
            ):
                raise self.refuse(key, f"must hold ids of a {' or '.join(role.value for role in roles)}")
        return frozenset(str(item) for item in value)

    def files_by_trust_domain(self) -> dict[str, Path]:
        """All of this table: trust domain and file."""
        if not self._values:
            raise self.refuse("", "names no trust domain")
        for name in self._values:
            if TRUST_DOMAIN.fullmatch(name) is None:
                raise self.refuse(name[:64], "is not a trust domain")
        return {name: self.file(name) for name in list(self._values)}

    def table(self, key: str) -> Table:
        """A table inside."""
        value = self._take(key)
        if not isinstance(value, dict):
            raise self.refuse(key, "must be a table")
        return Table(value, file=self._file, path=self.at(key))

    def tables(self, key: str) -> list[Table]:
        """A non-empty array of tables."""
        value = self._take(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise self.refuse(key, "must be a non-empty array of tables")
        return [Table(item, file=self._file, path=f"{self.at(key)}[{i}]") for i, item in enumerate(value)]

    def share(self, key: str) -> float:
        """A number within [0, 1]."""
        value = self._take(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            raise self.refuse(key, "must be a number from 0 to 1")
        return float(value)

    def names(self) -> tuple[str, ...]:
        """The keys that no reader asked for yet."""
        return tuple(self._values)

    def rest(self) -> dict[str, object]:
        """All keys that no reader asked for: an adapter's own."""
        values, self._values = self._values, {}
        return values


def read_table(path: Path) -> Table:
    """A configuration file. Raises `Malformed` naming the file."""
    try:
        data = path.read_bytes()
    except PermissionError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}", concern="access") from None
    except OSError as error:
        reason = f"cannot be read: {error.strerror}; `courtrelay init` makes one, deploy/config shows every key"
        raise Malformed(str(path), "", reason) from None
    if len(data) > CONFIG_BYTES_MAX:
        raise Malformed(str(path), "", f"{len(data)} bytes; at most {CONFIG_BYTES_MAX}")
    try:
        return Table(tomllib.loads(data.decode("utf-8")), file=path)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Malformed(str(path), "", f"is not TOML: {error}") from None
