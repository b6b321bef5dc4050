"""A plain HTTP client for the pages: keeps cookies, reads the token out of a form, sends what it is told and nothing else."""

from __future__ import annotations

import asyncio
import http.client
import re
import ssl
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from relay.app import desk

PATIENCE_S = 60.0
TOKEN = re.compile(r'name="csrf" value="([A-Za-z0-9_-]+)"')


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def to(self) -> str:
        """Where a redirect leads."""
        return self.headers.get("location", "")


@dataclass
class Client:
    """One visitor. `cookies`: name → value."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    language: str = "en"

    def connection(self) -> http.client.HTTPConnection:
        """A new one."""
        place = urlsplit(self.url).netloc
        if self.tls is not None:
            return http.client.HTTPSConnection(place, timeout=PATIENCE_S, context=self.tls)
        return http.client.HTTPConnection(place, timeout=PATIENCE_S)

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request on a connection of its own."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        own = {"Accept-Language": self.language, **({"Cookie": cookies} if cookies else {})}
        connection = self.connection()
        try:
            connection.request(method, path, body=body, headers={**own, **(headers or {})})
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
            for held in response.headers.get_all("set-cookie", []):
                name, _, rest = held.partition("=")
                self.cookies[name] = rest.partition(";")[0].strip('"')
            assert "Traceback" not in text
            lower = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, lower, text)
        finally:
            connection.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET."""
        return self.send("GET", path, headers=headers)

    def token(self, path: str = "/") -> str:
        """The token of the forms of a page."""
        found = TOKEN.search(self.get(path).text)
        assert found, f"{path} has no form"
        return found[1]

    def post(self, path: str, fields: Mapping[str, str] | None = None, *, at: str = "/") -> Answer:
        """A form with its right token, found on the page `at`."""
        body = urlencode({"csrf": self.token(at), **(fields or {})})
        return self.send("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def upload(
        self, path: str, fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]], *, at: str = "/"
    ) -> Answer:
        """A form with files (field → name and content)."""
        body, kind = multipart({"csrf": self.token(at), **fields}, files)
        return self.send("POST", path, body, {"Content-Type": kind})


def multipart(fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]]) -> tuple[bytes, str]:
    """Body and Content-Type."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for field_name, (name, data) in files.items():
        head = f'Content-Disposition: form-data; name="{field_name}"; filename="{name}"'
        parts.append(
            f"--{boundary}\r\n{head}\r\nContent-Type: application/octet-stream\r\n\r\n".encode() + data + b"\r\n"
        )
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def sign_in_link(home: Path, name: str, role: str) -> str:
    """The path of a one-time link, made at the gateway's desk as `courtrelay court link` does."""
    made: list[str] = []
    # a thread of its own: where a browser is driven, this one has a loop already
    thread = threading.Thread(target=lambda: made.append(asyncio.run(desk.sign_in_link(home, name, role))))
    thread.start()
    thread.join()
    assert made, "the gateway made no link"
    return urlsplit(made[0]).path


def signed_in(home: Path, url: str, role: str, name: str = "") -> Client:
    """A client with a session of its own."""
    client = Client(url)
    path = sign_in_link(home, name or f"a-{role}", role)
    answer = client.post(path, at=path)
    assert (answer.status, answer.to) == (303, "/")
    return client
