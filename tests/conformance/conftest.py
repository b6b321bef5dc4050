"""The chain that the EVM checks need."""

from __future__ import annotations

from tests.evm.conftest import needs_anvil

__all__ = ["needs_anvil"]
