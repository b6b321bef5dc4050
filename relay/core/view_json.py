"""A DossierView as one canonical JSON document, `courtrelay-view/v1`: kept beside its bundle, and given out by the HTTP interface.

`view` has the members of the dataclasses in `relay.core.view` and `relay.core.verdict` by their names; times in ms since 1970 UTC,
0 when not shown, unless a name ends in `_s`. `summary` and `does_not_prove` are the verdict's words, so that no reader shows one
without the other.
"""

from __future__ import annotations

from typing import Final

from relay.core.canonical import Fields, dumps, loads_strict
from relay.core.errors import Malformed
from relay.core.limits import VIEW_BYTES_MAX
from relay.core.shapes import from_shape, to_shape
from relay.core.verdict import DOES_NOT_PROVE
from relay.core.view import DossierView

FORMAT: Final = "courtrelay-view/v1"
_WHAT: Final = "view"


def view_document(view: DossierView) -> dict[str, object]:
    """The document as JSON values."""
    return {
        "format": FORMAT,
        "summary": view.verdict.summary,
        "does_not_prove": list(DOES_NOT_PROVE),
        "view": to_shape(view),
    }


def view_bytes(view: DossierView) -> bytes:
    """The canonical bytes. Raises `Malformed` when there are more than `VIEW_BYTES_MAX`: no reader would take them."""
    data = dumps(view_document(view))
    if len(data) > VIEW_BYTES_MAX:
        raise Malformed(_WHAT, "", f"{len(data)} bytes; at most {VIEW_BYTES_MAX}")
    return data


def parse_view(data: bytes) -> DossierView:
    """Raises `Malformed` for anything but what `view_bytes` writes."""
    fields = Fields(loads_strict(data, what=_WHAT, bytes_max=VIEW_BYTES_MAX), what=_WHAT)
    fields.literal("format", FORMAT)
    summary, sentences = fields.value("summary"), fields.value("does_not_prove")
    view = from_shape(DossierView, fields.value("view"), what=_WHAT)
    fields.done()
    if summary != view.verdict.summary or sentences != list(DOES_NOT_PROVE):
        raise Malformed(_WHAT, "summary", "is not what the verdict says")
    if dumps(view_document(view)) != data:
        raise Malformed(_WHAT, "", "is not in canonical form (RFC 8785)")
    return view
