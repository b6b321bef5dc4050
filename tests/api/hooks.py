"""Loaded by schemathesis in its own process: how values of this project's formats are drawn."""

from __future__ import annotations

import unicodedata

import schemathesis
from hypothesis import strategies as st

LETTERS = st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp", "Zs"))


def _plain(text: str) -> bool:
    """As `relay.core.fields.check_plain` wants it; what is drawn may compose to something else."""
    return text.isprintable() and text == text.strip() and unicodedata.is_normalized("NFC", text)


schemathesis.openapi.format("plain-text", st.text(LETTERS, min_size=1, max_size=40).filter(_plain))
schemathesis.openapi.format(
    "plain-lines", st.lists(st.text(LETTERS, min_size=1, max_size=20).filter(_plain), min_size=1).map("\n".join)
)


@schemathesis.serializer("application/zip")
def zipped(_context: object, value: object) -> bytes:
    """Whatever was drawn, as bytes: what is no bundle is a result, not an error."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
