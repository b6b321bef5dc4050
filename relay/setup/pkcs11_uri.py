"""PKCS#11 URIs (RFC 7512), as far as they name one private key: which module, which token, which object, and where the PIN lies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from relay.core.errors import Malformed

SCHEME: Final = "pkcs11:"
URI_CHARS_MAX: Final = 2048
EXAMPLE: Final = "pkcs11:token=lender;object=record?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:pin.txt"
_WHAT: Final = "PKCS#11 URI"
_PATH: Final = frozenset({"token", "serial", "object", "id", "type"})
_QUERY: Final = frozenset({"module-path", "pin-source"})
_VALUE: Final = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&/|]|%[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Uri:
    """One private key on a token. Empty `serial`, `object` or `id`: not asked for; one of the last two always is."""

    module: Path
    token: str
    serial: str
    object: str
    id: bytes
    pin: Path

    def __str__(self) -> str:
        """The path part: what a person recognises, without module and PIN."""
        parts = [f"token={quote(self.token)}"]
        parts += [f"serial={quote(self.serial)}"] if self.serial else []
        parts += [f"object={quote(self.object)}"] if self.object else []
        parts += ["id=" + "".join(f"%{byte:02x}" for byte in self.id)] if self.id else []
        return SCHEME + ";".join(parts)


def parse_pkcs11_uri(text: str, folder: Path) -> Pkcs11Uri:
    """Read a URI; relative paths in it are relative to the folder. Raises `Malformed` naming the attribute.

    Attributes that RFC 7512 knows and that are not needed to name one key are refused, as section 2.3 asks of what is not
    understood: a condition that is passed over would open another key.
    """
    if len(text) > URI_CHARS_MAX or not text.startswith(SCHEME):
        raise Malformed(_WHAT, "", f"must begin with {SCHEME} and have at most {URI_CHARS_MAX} characters")
    path, _, query = text.removeprefix(SCHEME).partition("?")
    named = _attributes(path, ";", _PATH)
    asked = _attributes(query, "&", _QUERY)
    for name in ("token", "module-path", "pin-source"):
        if name not in named and name not in asked:
            raise Malformed(_WHAT, name, f"is missing; such as {EXAMPLE}")
    if "object" not in named and "id" not in named:
        raise Malformed(
            _WHAT, "object", "is missing: object=<label>, id=<percent-encoded bytes>, or both, name the key"
        )
    if named.get("type", b"private") != b"private":
        raise Malformed(_WHAT, "type", "must be private where it is given")
    module = Path(_text("module-path", asked["module-path"]))
    if not module.is_absolute():
        raise Malformed(_WHAT, "module-path", "must be the absolute path of the PKCS#11 module, a shared library")
    return Pkcs11Uri(
        module=module,
        token=_text("token", named["token"]),
        serial=_text("serial", named.get("serial", b"")),
        object=_text("object", named.get("object", b"")),
        id=named.get("id", b""),
        pin=(folder / _pin_file(_text("pin-source", asked["pin-source"]))).resolve(),
    )


def _attributes(part: str, separator: str, known: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for item in part.split(separator) if part else ():
        name, _, value = item.partition("=")
        if name == "pin-value":
            raise Malformed(_WHAT, name, "a PIN does not stand in a configuration file; use pin-source=file:PATH")
        if name not in known:
            raise Malformed(_WHAT, name[:64], f"is not understood here; known are {', '.join(sorted(_PATH | _QUERY))}")
        if name in found:
            raise Malformed(_WHAT, name, "is given twice")
        if _VALUE.fullmatch(value) is None:
            raise Malformed(
                _WHAT, name, "must not be empty; other characters than letters, digits and -._~ are written %XX"
            )
        found[name] = unquote_to_bytes(value)
    return found


def _text(name: str, value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(_WHAT, name, "is not UTF-8") from None
    if not text.isprintable():
        raise Malformed(_WHAT, name, "holds characters that cannot be printed")
    return text


def _pin_file(source: str) -> str:
    kind, _, name = source.partition(":")
    if kind != "file" or not name:
        raise Malformed(_WHAT, "pin-source", "must be file:PATH; the file holds the PIN and nothing else")
    return name
