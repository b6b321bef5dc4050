"""One payload: looked at or played where that is safe, always to be had as its original bytes."""

from __future__ import annotations

import asyncio
from typing import BinaryIO, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay.core.errors import Malformed, NotFound
from relay.core.view import ViewPayload
from relay.web.cases.parts import READERS, Parts, number_of
from relay.web.cases.payload_kinds import HEAD_BYTES, agrees, hex_of, text_of, way_of
from relay.web.cases.pdf import PAGES_MAX, PdfPages
from relay.web.cases.ranges import FileResponse
from relay.web.site import need, page

SANDBOX: Final = "sandbox; default-src 'none'"
"""Of every answer that is a payload's own bytes: whatever they are, they run nothing and fetch nothing (CSP level 3)."""


class PayloadPages:
    """The handlers. Whoever shows payloads elsewhere says how they are opened and where: `at`, `open_`, `dossier`."""

    at = "/dossiers/{bundle}/payloads/{seq}/{name}"

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._site = parts.site
        self._pdf = PdfPages()

    def dossier(self, request: Request) -> str:
        """The path of the page that a payload's page leads back to."""
        return f"/dossiers/{request.path_params['bundle']}"

    def routes(self) -> list[BaseRoute]:
        """A page around the payload, its bytes for that page, its bytes to keep, and a PDF's pages."""
        return [
            Route(self.at, self.show),
            Route(f"{self.at}/bytes", self.inline),
            Route(f"{self.at}/download", self.download),
            Route(f"{self.at}/pages/{{page}}", self.pdf_page),
        ]

    async def show(self, request: Request) -> Response:
        """The viewer."""
        payload, file = await self.open_(request)
        problem, pages = "", 0
        with file:
            head = await asyncio.to_thread(file.read, HEAD_BYTES)
            way = way_of(payload.media_type, head)
            if way == "pdf":
                try:
                    file.seek(0)
                    pages = await self._pdf.count(file, payload.size)
                except Malformed as error:
                    way, problem = "bytes", error.reason
        # what is not to be interpreted is shown as what it is written as: escaped text, or bytes
        text = text_of(head) if way in ("text", "bytes") else None
        place = self.at.format_map({**request.path_params, "name": quote(payload.name)})
        values = {
            "payload": payload,
            "dossier": self.dossier(request),
            "seq": request.path_params["seq"],
            "place": place,
            "way": way,
            "problem": problem,
            "agrees": agrees(payload.media_type, head),
            "pages": min(pages, PAGES_MAX),
            "pages_total": pages,
            "text": text,
            "hex": hex_of(head) if way == "bytes" and text is None else "",
            "cut": payload.size > len(head),
        }
        return page(self._site, request, "cases/payload.html", values)

    async def inline(self, request: Request) -> Response:
        """The bytes for an image, a player: only what is on the list and is what it says."""
        payload, file = await self.open_(request)
        try:
            head = await asyncio.to_thread(file.read, HEAD_BYTES)
            if way_of(payload.media_type, head) not in ("image", "audio", "video"):
                raise NotFound("this payload is not shown by a browser")
        except BaseException:
            file.close()
            raise
        return self._bytes(request, payload, file, payload.media_type, "inline")

    async def download(self, request: Request) -> Response:
        """The original bytes, to be kept and never opened in place."""
        payload, file = await self.open_(request)
        return self._bytes(request, payload, file, "application/octet-stream", "attachment")

    async def pdf_page(self, request: Request) -> Response:
        """One page of a PDF as a picture, counted from 1."""
        number = number_of(request.path_params["page"])
        if not 1 <= number <= PAGES_MAX:
            raise NotFound("no such page")
        payload, file = await self.open_(request)
        with file:
            head = await asyncio.to_thread(file.read, HEAD_BYTES)
            if way_of(payload.media_type, head) != "pdf":
                raise NotFound("this payload has no pages")
            file.seek(0)
            png = await self._pdf.page(file, payload.size, number - 1)
        return Response(png, media_type="image/png", headers={"Content-Security-Policy": SANDBOX})

    async def open_(self, request: Request) -> tuple[ViewPayload, BinaryIO]:
        """A payload, after the custody log says who looks. Raises `Denied`, `NotFound`."""
        person = need(request, *READERS)
        seq = number_of(request.path_params["seq"])
        return await self._parts.cases.payload(
            request.path_params["bundle"], seq, request.path_params["name"], person.name
        )

    def _bytes(self, request: Request, payload: ViewPayload, file: BinaryIO, kind: str, place: str) -> Response:
        headers = {
            "Content-Type": kind,
            "Content-Disposition": f'{place}; filename="{payload.name}"',  # its form is that of a safe file name
            "Content-Security-Policy": SANDBOX,
            "X-Content-Type-Options": "nosniff",
        }
        return FileResponse(request, file, payload.size, payload.sha256, headers)
