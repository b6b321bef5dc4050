"""What task groups raise, taken apart."""

from __future__ import annotations


def leaves(error: BaseException) -> list[BaseException]:
    """The errors of a group, and of the groups in it."""
    return (
        [leaf for one in error.exceptions for leaf in leaves(one)] if isinstance(error, BaseExceptionGroup) else [error]
    )
