"""Handing a stored bundle to the court's own people: who took which is logged before its first byte leaves."""

from __future__ import annotations

from typing import BinaryIO

from relay.ports.court import CourtStore
from relay.services.court.custody import CustodyKeeper


class Bundles:
    """Serves `FetchBundle`."""

    def __init__(self, store: CourtStore, custody: CustodyKeeper) -> None:
        self._store = store
        self._custody = custody

    async def open(self, bundle_id: str, operator: str) -> BinaryIO:
        """The bundle's file, which the caller closes. Raises `NotFound`."""
        subject = {"bundle": bundle_id, "dossier": await self._store.bundle_dossier(bundle_id)}
        await self._custody.note("fetch", subject, "permitted", "", actor=operator)
        return await self._store.open_bundle(bundle_id)
