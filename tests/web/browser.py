"""Chromium, driven: pages by role and language, screenshots, what a page may never do, and the accessibility checker.

    def test_x(pages: Pages) -> None:
        page = pages.open("/cases", role="clerk")        # signed in as that role; language="zh-CN", width=360
        page.get_by_role("button", name="…").click()
        pages.shoot("cases", "/cases", role="clerk")     # both languages, 360 and 1280 px, axe on each
        pages.shoot("result", lambda page: …, role=…)    # a page that steps lead to: called with an open page at "/"

Every page is watched: a request to another origin, an error on the console, a broken content security policy or a crash of a script
fails the test when it ends.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.support.tools import TOOLS
from tests.web.client import signed_in

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LANGUAGES = ("en", "zh-CN")
WIDTHS = (360, 1280)
HEIGHT = 900
SERIOUS = ("serious", "critical")
Visit = Callable[[Page], Any]


def find_chromium() -> Path | None:
    """Where it is; None where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return CHROMIUM if CHROMIUM.exists() else Path(found) if found else None


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A headless one. Skips where there is none."""
    program = find_chromium()
    if program is None:
        pytest.skip("Chromium is not installed; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(program), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Pages:
    """A browser at one court's pages, for one test."""

    browser: Browser
    url: str
    home: Path
    folder: Path
    sessions: dict[tuple[str, str], dict[str, str]]
    """(role, court's address) → cookies, so that a role signs in once for many tests."""
    wrong: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)
    other_sites: tuple[str, ...] = ()
    """Where a test leads the browser on purpose; nothing on them is judged."""

    def open(
        self,
        path: str = "/",
        *,
        role: str = "",
        language: str = "en",
        width: int = 1280,
        script: bool = True,
        cookies: dict[str, str] | None = None,
        certificate: Path | None = None,
    ) -> Page:
        """A page in a context of its own, signed in as `role` (judge, clerk, auditor), or with the given cookies.

        `certificate`: a folder with `tls.pem` and `tls.key`, shown to pages that speak TLS.
        """
        shown: dict[str, Any] = {}
        if certificate is not None:
            files = {"certPath": certificate / "tls.pem", "keyPath": certificate / "tls.key"}
            shown = {"client_certificates": [{"origin": self.url, **files}], "ignore_https_errors": True}
        context = self.browser.new_context(
            locale=language,
            viewport={"width": width, "height": HEIGHT},
            java_script_enabled=script,
            extra_http_headers={"Accept-Language": language},
            **shown,
        )
        self.contexts.append(context)
        held = cookies if cookies is not None else self._session(role) if role else {}
        context.add_cookies([{"name": n, "value": v, "url": self.url} for n, v in held.items()])
        page = context.new_page()
        self._watch(page)
        page.goto(self.url + path)
        return page

    def _session(self, role: str) -> dict[str, str]:
        key = role, self.url
        if key not in self.sessions:
            self.sessions[key] = signed_in(self.home, self.url, role).cookies
        return self.sessions[key]

    def _watch(self, page: Page) -> None:
        def on_request(request: Request) -> None:
            there = (*self.other_sites, self.url + "/", "data:", "blob:")
            if not request.url.startswith(there) and not page.url.startswith(self.other_sites or ("no:",)):
                self.wrong.append(f"a request left the origin: {request.url}")

        def on_console(message: ConsoleMessage) -> None:
            # an error page's own status is told on the console too
            of_page = message.text.startswith("Failed to load resource") and message.location["url"] == page.url
            elsewhere = page.url.startswith(self.other_sites or ("no:",))
            if message.type == "error" and not of_page and not elsewhere:
                self.wrong.append(f"{page.url}: console: {message.text}")

        page.on("request", on_request)
        page.on("console", on_console)
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: script: {error}"))

    def shoot(self, name: str, visit: str | Visit, *, role: str = "", cookies: dict[str, str] | None = None) -> None:
        """Pictures `<name>-<language>-<width>.png` of a page, and what the accessibility checker says of it."""
        for language in LANGUAGES:
            path = visit if isinstance(visit, str) else "/"
            page = self.open(path, role=role, language=language, cookies=cookies)
            if callable(visit):
                visit(page)
            self.shot(page, f"{name}-{language}")
            page.context.close()
            self.contexts.remove(page.context)

    def shot(self, page: Page, name: str) -> None:
        """The page as it stands, at both widths, checked at both."""
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if overflow > 0:
                self.wrong.append(f"{page.url} is {overflow} px too wide at {width} px")
            page.screenshot(path=self.folder / f"{name}-{width}.png", full_page=True)
            self.wrong += [f"{page.url} at {width} px: {line}" for line in axe(page)]

    def close(self) -> None:
        """Fails the test for whatever a page did that none may."""
        for context in self.contexts:
            context.close()
        assert not self.wrong, "\n".join(self.wrong)


def axe(page: Page) -> list[str]:
    """Serious and critical findings of axe-core. Skips where it is not installed."""
    program = TOOLS / "axe-core" / "axe.min.js"
    if not program.is_file():
        pytest.skip("no accessibility checker: it needs the npm package axe-core under .venv/tools")
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(program.read_text() + ";undefined")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"axe: {one['impact']} {one['id']}: {one['help']}: {json.dumps([n['html'][:200] for n in one['nodes'][:3]])}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
    ]


def shots_folder(request: pytest.FixtureRequest, tmp: Path) -> Path:
    """Named by the test, under $COURTRELAY_SHOTS where that is set."""
    base = Path(os.environ["COURTRELAY_SHOTS"]) if os.environ.get("COURTRELAY_SHOTS") else tmp / "shots"
    folder = base / str(request.node.name).replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
