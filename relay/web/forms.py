"""Forms as they arrive: read piece by piece, every part bounded, files straight to unnamed files on disk.

`application/x-www-form-urlencoded` and `multipart/form-data` (RFC 7578). The CSRF token must come before the first file, so that what a
stranger makes a browser send is refused before anything of it is kept.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from relay.core.errors import Malformed, Unavailable

FORM_BYTES_MAX: Final = 1024 * 1024
"""A form whose path takes no big files."""
FIELDS_MAX: Final = 4096
FIELD_NAME_CHARS_MAX: Final = 64
FILES_MAX: Final = 4
FILE_NAME_CHARS_MAX: Final = 255
PART_HEADERS_MAX: Final = 8
WRITE_BYTES: Final = 256 * 1024
_WHAT: Final = "form"

CheckFields = Callable[[dict[str, list[str]]], None]
"""Given the fields so far, before a file is taken and when the form has ended. Raises `Denied`."""


@dataclass(slots=True, kw_only=True)
class Upload:
    """One file. `name` is what the sender calls it: to be shown, never a path."""

    name: str
    media_type: str
    file: BinaryIO = field(repr=False)
    size: int = 0


@dataclass(slots=True)
class Form:
    """What a form held. `close` removes its files."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)

    def text(self, name: str, *, chars_max: int = 200) -> str:
        """One field without spaces around it, empty when it is missing. Raises `Malformed` when it stands twice or is too long."""
        values = self.fields.get(name, [])
        if len(values) > 1:
            raise Malformed(_WHAT, name, "stands twice")
        text = values[0].strip() if values else ""
        if len(text) > chars_max:
            raise Malformed(_WHAT, name, f"{len(text)} characters; at most {chars_max}")
        return text

    def texts(self, name: str, *, chars_max: int = 200) -> list[str]:
        """All values of a field that may stand several times, such as boxes that were ticked."""
        values = self.fields.get(name, [])
        for value in values:
            if len(value) > chars_max:
                raise Malformed(_WHAT, name, f"{len(value)} characters; at most {chars_max}")
        return values

    def file(self, name: str) -> Upload | None:
        """A file that is not empty."""
        upload = self.files.get(name)
        return upload if upload is not None and upload.size else None

    def close(self) -> None:
        """Close and so remove every file."""
        for upload in self.files.values():
            upload.file.close()


async def read_form(kind: str, body: AsyncIterator[bytes], folder: Path, check: CheckFields) -> Form:
    """Read a body of the given Content-Type. Raises `Malformed`, and what `check` and `body` raise; files are then gone."""
    media_type, options = parse_options_header(kind)
    if media_type == b"application/x-www-form-urlencoded":
        form = Form(fields=await _urlencoded(body))
        check(form.fields)
        return form
    if media_type != b"multipart/form-data" or not options.get(b"boundary"):
        raise Malformed(_WHAT, "Content-Type", "must be that of a form")
    reader = _Multipart(options[b"boundary"], folder, check)
    try:
        async for piece in body:
            await reader.feed(piece)
        await reader.end()
    except BaseException:
        reader.form.close()
        raise
    return reader.form


async def _urlencoded(body: AsyncIterator[bytes]) -> dict[str, list[str]]:
    data = bytearray()
    async for piece in body:
        data += piece
        if len(data) > FORM_BYTES_MAX:
            raise Malformed(_WHAT, "", f"more than {FORM_BYTES_MAX} bytes of text")
    try:
        pairs = parse_qsl(data.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except (UnicodeDecodeError, ValueError):
        raise Malformed(_WHAT, "", "is not a form in UTF-8, or has too many fields") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        _add(fields, name, value)
    return fields


def _add(fields: dict[str, list[str]], name: str, value: str) -> None:
    if not name or len(name) > FIELD_NAME_CHARS_MAX:
        raise Malformed(_WHAT, "field name", f"must have 1 to {FIELD_NAME_CHARS_MAX} characters")
    if "\x00" in value:
        raise Malformed(_WHAT, name[:FIELD_NAME_CHARS_MAX], "holds a zero byte")
    fields.setdefault(name, []).append(value)


class _Multipart:
    """One multipart body; python-multipart finds the parts, this decides what is taken of them."""

    def __init__(self, boundary: bytes, folder: Path, check: CheckFields) -> None:
        self.form = Form()
        self._folder = folder
        self._check = check
        self._parts = 0
        self._text_bytes = 0
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._text = bytearray()
        self._upload: Upload | None = None
        self._pending = bytearray()
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data,
                    "on_part_end": self._part_ends,
                    "on_end": self._end,
                },
                max_header_count=PART_HEADERS_MAX,
            )
        except FormParserError as error:
            raise Malformed(_WHAT, "Content-Type", str(error)) from None

    async def feed(self, piece: bytes) -> None:
        """Parse one piece and write what belongs to a file, off the loop."""
        for start in range(0, len(piece), WRITE_BYTES):
            try:
                self._parser.write(piece[start : start + WRITE_BYTES])
            except FormParserError as error:
                raise Malformed(_WHAT, "", f"is not multipart/form-data: {error}") from None
            if len(self._pending) >= WRITE_BYTES:
                await self._flush()

    async def end(self) -> None:
        """Raises `Malformed` when the last boundary is missing: something was cut off."""
        if not self._ended:
            raise Malformed(_WHAT, "", "breaks off before its end")
        self._check(self.form.fields)
        for upload in self.form.files.values():
            upload.file.seek(0)

    async def _flush(self) -> None:
        if self._upload is not None and self._pending:
            data, self._pending = self._pending, bytearray()
            try:
                await asyncio.to_thread(self._upload.file.write, data)
            except OSError as error:
                raise Unavailable(f"the file cannot be kept while it is checked: {error.strerror}") from None

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > FIELDS_MAX:
            raise Malformed(_WHAT, "", f"more than {FIELDS_MAX} parts")
        self._headers = {}
        self._text = bytearray()

    def _header_ends(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _headers_end(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b"").decode("latin-1"))
        self._name = _text(options.get(b"name", b""))
        if kind != b"form-data" or not 0 < len(self._name) <= FIELD_NAME_CHARS_MAX:
            raise Malformed(_WHAT, "Content-Disposition", "must be form-data with a name")
        if b"filename" in options:
            self._begin_file(_text(options[b"filename"]))

    def _begin_file(self, name: str) -> None:
        self._check(self.form.fields)
        if self._name in self.form.files or len(self.form.files) >= FILES_MAX:
            raise Malformed(_WHAT, self._name, f"a file twice, or more than {FILES_MAX} files")
        media_type = self._headers.get(b"content-type", b"").decode("latin-1")[:FIELD_NAME_CHARS_MAX]
        file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  (closed with its form)
        self._upload = Upload(name=name[-FILE_NAME_CHARS_MAX:], media_type=media_type, file=file)
        self.form.files[self._name] = self._upload

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._upload is not None:
            self._pending += data[start:end]
            self._upload.size += end - start
            return
        self._text_bytes += end - start
        if self._text_bytes > FORM_BYTES_MAX:
            raise Malformed(_WHAT, self._name, f"more than {FORM_BYTES_MAX} bytes of text")
        self._text += data[start:end]

    def _part_ends(self) -> None:
        if self._upload is None:
            _add(self.form.fields, self._name, _text(self._text))
            return
        self._upload.file.write(self._pending)  # less than two pieces
        self._pending = bytearray()
        self._upload = None

    def _end(self) -> None:
        self._ended = True


def _text(data: bytes | bytearray) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(_WHAT, "", "holds bytes that are not UTF-8 text") from None
