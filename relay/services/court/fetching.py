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
        dossier = await self._store.bundle_dossier(bundle_id)
        bundle = await self._store.open_bundle(bundle_id)
        try:
            await self._custody.note(
                "fetch", {"bundle": bundle_id, "dossier": dossier}, "permitted", "", actor=operator
            )
        except BaseException:
            bundle.close()
            raise
        return bundle
