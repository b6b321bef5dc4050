"""A role's overview as a page for people and as JSON for programs: no script, no picture, nothing from elsewhere."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from relay.core.times import format_utc
from relay.telemetry.overview import Overview
from relay.telemetry.showing import DOWN, UP, age, count, ends, heights, plain, role_word, state_word, waiting, worries

REFRESH_S: Final = 5
STYLE: Final = """
:root { color-scheme: light; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; background: #fff; color: #1b1b1b;
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.35rem; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 1.5rem 0 .4rem; }
p { margin: .2rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; min-width: 44rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #d5d5d5; }
th { font-weight: 600; white-space: nowrap; }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.state { white-space: nowrap; font-weight: 600; }
.up { color: #14602a; }
.waits { color: #7a4a00; }
.down { color: #a01818; }
.names { overflow-wrap: anywhere; }
td .names { display: inline-block; min-width: 11rem; }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
NEVER_KEPT: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
PAGE_HEADERS: Final = {
    **NEVER_KEPT,
    "Refresh": str(REFRESH_S),
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def overview_json(seen: Overview) -> dict[str, Any]:
    """The overview, and what of it is worth a look."""
    return {**dataclasses.asdict(seen), "worries": worries(seen)}


def status_page(seen: Overview) -> str:
    """One HTML document."""
    taken = format_utc(seen.taken_ms // 1000)
    parts = [
        f"<h1>{_text(seen.role)}: {_state(*role_word(seen))}</h1>",
        f'<p class="names">{_text(seen.identity)}, version {_text(seen.version)}</p>',
        f"<p>Seen at {taken}; this page renews itself every {REFRESH_S} s.</p>",
        _worries(worries(seen)),
        _components(seen),
        _origins(seen),
        _credentials(seen),
        _figures(seen),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(seen.role)}: {role_word(seen)[1]}</title><style>{STYLE}</style></head>\n"
        f"<body><main>\n{chr(10).join(part for part in parts if part)}\n</main></body></html>\n"
    )


def _text(value: str) -> str:
    return escape(plain(value))


def _state(shape: str, word: str) -> str:
    kind = {UP: "up", DOWN: "down"}.get(shape, "waits")
    return f'<span class="state {kind}"><span aria-hidden="true">{shape}</span> {escape(word)}</span>'


def _worries(found: Sequence[str]) -> str:
    if not found:
        return "<p>Nothing needs a look.</p>"
    return "<h2>Needs a look</h2><ul>" + "".join(f'<li class="names">{_text(one)}</li>' for one in found) + "</ul>"


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """`rows` are HTML already."""

    def cells(tag: str, row: Sequence[str]) -> str:
        kind = [' class="n"' if at in numbers else "" for at in range(len(row))]
        return "".join(f"<{tag}{kind[at]}>{cell}</{tag}>" for at, cell in enumerate(row))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    if not body:
        return ""
    return (
        f'<h2>{title}</h2><div class="wide" tabindex="0" role="region" aria-label="{title}"><table>'
        f"<thead><tr>{cells('th', heads)}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _components(seen: Overview) -> str:
    rows = [
        (
            _state(*state_word(one)),
            _text(one.kind),
            f'<span class="names">{_text(one.name)}</span>',
            "yes" if one.needed else "no",
            age((seen.taken_ms - one.since_ms) / 1000),
            f'<span class="names">{_text(one.problem)}</span>',
        )
        for one in seen.components
    ]
    return _table("Components", ("state", "kind", "name", "needed", "for", "problem"), rows, numbers=(4,))


def _origins(seen: Overview) -> str:
    rows = [
        (
            f'<span class="names">{_text(one.origin)}</span>',
            _state(DOWN, "halted") if one.halted else _state(UP, "going"),
            heights(one),
            count(one.held),
            count(one.confirmed),
            waiting(one),
            count(one.quarantined),
        )
        for one in seen.origins
    ]
    heads = ("origin", "state", "latest / final / proven", "entries", "confirmed", "backlog", "quarantine")
    return _table("Origins", heads, rows, numbers=(2, 3, 4, 5, 6))


def _credentials(seen: Overview) -> str:
    soon = [one for one in seen.endings if one.soon(seen.taken_ms)]
    if not soon:
        return "<h2>Credentials</h2><p>None of them ends soon.</p>"
    items = "".join(f'<li class="names">{_text(ends(one, seen.taken_ms))}</li>' for one in soon)
    return f"<h2>Credentials that end soon</h2><ul>{items}</ul>"


def _figures(seen: Overview) -> str:
    rows = [(_text(one.name), count(one.value)) for one in seen.figures]
    return _table("Counts", ("what", "how many"), rows)
