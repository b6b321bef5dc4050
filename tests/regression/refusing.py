"""For attacks that are tried by the thousand: each must be refused with an error of the contract, and says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from relay.core.errors import Malformed, Unverified


def refusal(check: Callable[..., Any], *args: Any) -> str:
    """Why these arguments are refused; AssertionError when they are accepted."""
    try:
        check(*args)
    except (Malformed, Unverified) as error:
        return str(error)
    raise AssertionError(f"accepted: {args!r:.400}")
