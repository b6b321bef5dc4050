"""Secrets by reference: `file:PATH` or `env:NAME`; for keys, which are files by nature, PATH alone too."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay.core.base64strict import b64decode
from relay.core.errors import Malformed
from relay.private.files import PRIVATE_BYTES_MAX, read_private

FILE: Final = "file:"
ENVIRONMENT: Final = "env:"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the process's environment."""

    name: str

    def __str__(self) -> str:
        return ENVIRONMENT + self.name


SecretReference = Path | Variable
"""Where a secret is."""


def parse_reference(text: str, folder: Path, *, bare: bool = True) -> SecretReference:
    """What a configuration says, relative to its folder; `bare`: PATH alone is a file. Raises `Malformed` with the reason alone."""
    if text.startswith(ENVIRONMENT):
        name = text.removeprefix(ENVIRONMENT)
        if _NAME.fullmatch(name) is None:
            raise Malformed("reference", "", "must be env:NAME, NAME of letters, digits and _")
        return Variable(name)
    path = text.removeprefix(FILE)
    if not path or (path == text and not bare):
        raise Malformed("reference", "", "must be env:NAME or file:PATH; it is a secret and does not stand here itself")
    return (folder / path).resolve()


def read_reference(reference: SecretReference, *, bytes_max: int = PRIVATE_BYTES_MAX) -> bytes:
    """The secret as it lies there. Raises `Malformed` naming the file or the variable, never with the secret in it."""
    if isinstance(reference, Path):
        return read_private(reference, bytes_max=bytes_max)
    value = os.environb.get(reference.name.encode(), b"")
    if not value:
        raise Malformed(str(reference), "", "the environment has no such variable, or it is empty", concern="key")
    if len(value) > bytes_max:
        raise Malformed(str(reference), "", f"has more than {bytes_max} bytes", concern="key")
    return value


def read_text(reference: SecretReference) -> str:
    """A password or an address: UTF-8, without the white space around it. Raises as `read_reference`."""
    try:
        text = read_reference(reference).decode("utf-8").strip()
    except UnicodeDecodeError:
        raise Malformed(str(reference), "", "is not UTF-8 text", concern="key") from None
    if not text:
        raise Malformed(str(reference), "", "is empty", concern="key")
    return text


def read_secret(reference: SecretReference, length: int) -> bytes:
    """A secret of so many bytes: raw in a file; a variable, which cannot hold every byte, has it in base64. Raises `Malformed`."""
    data = read_reference(reference)
    if isinstance(reference, Variable):
        try:
            data = b64decode(data.decode("ascii"), what=str(reference), field="")
        except (UnicodeDecodeError, Malformed):
            raise Malformed(str(reference), "", f"must be {length} bytes in base64", concern="key") from None
    if len(data) != length:
        raise Malformed(str(reference), "", f"{len(data)} bytes; must be {length}", concern="key")
    return data
