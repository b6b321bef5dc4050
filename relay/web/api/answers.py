"""How handlers answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def answer(value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON object, UTF-8."""
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(data, status, {**HEADERS, **(headers or {})}, media_type="application/json")


def nothing() -> Response:
    """It is done; there is nothing to tell."""
    return Response(status_code=204, headers=HEADERS)
