"""What status, top and the page make of an overview: nothing is hidden, nothing breaks the terminal or the page."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from relay.app.console import RoleSeen, exit_code
from relay.app.status_page import PAGE_HEADERS, overview_json, status_page
from relay.cli.screen import rates, screen
from relay.telemetry.overview import DAY_MS, OriginView, Overview
from relay.telemetry.showing import age, ends, plain, role_word, worries
from relay.wire.operations_client import overview_from
from relay.wire.operations_server import overview_reply
from tests.health.views import NOW_MS, ORIGIN, ending, overview, state

HOUR_MS = 3_600_000


def one_origin(**other: Any) -> tuple[OriginView]:
    return (replace(overview().origins[0], **other),)


def drawn(seen: list[RoleSeen], width: int = 80, lines: int = 0, speed: Any = None) -> str:
    into = io.StringIO()
    Console(file=into, width=width, highlight=False, force_terminal=False).print(screen(seen, speed or {}, lines=lines))
    return into.getvalue()


def seen_as(one: Overview | None, role: str = "relay", reason: str = "") -> RoleSeen:
    return RoleSeen(role=role, overview=one, reason=reason)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"ready": False}, "not ready"),
        ({"ready": False, "stopping": True}, "stopping"),
        ({"components": (state("court", "away", needed=False),)}, "court x: away"),
        ({"origins": one_origin(halted="two histories")}, "is halted: two histories"),
        ({"origins": one_origin(quarantined=2)}, "2 in quarantine"),
        ({"origins": one_origin(backlog=3, oldest_s=61.0)}, "waits for its receipt for 1 m 1 s"),
        ({"endings": (ending(6 * DAY_MS),)}, "certificate relay ends in 6 d"),
        ({"endings": (ending(-2 * HOUR_MS),)}, "certificate relay ended 2 h ago"),
        ({"problem": "feed of x: broken"}, "feed of x: broken"),
    ],
)
def test_every_trouble_is_a_worry_and_an_exit_code(other: dict[str, Any], says: str) -> None:
    troubled = overview(**other)
    assert any(says in worry for worry in worries(troubled))
    assert exit_code((seen_as(troubled),)) == 1
    assert says in " ".join(drawn([seen_as(troubled)], 200).split())
    assert says in status_page(troubled)


def test_all_well_is_code_0_and_a_role_that_is_away_is_3() -> None:
    assert worries(overview()) == []
    assert exit_code((seen_as(overview()),)) == 0
    away = seen_as(None, "court", "connection refused")
    assert exit_code((seen_as(overview(ready=False)), away)) == 3
    assert "court cannot be asked: connection refused" in drawn([seen_as(overview()), away], 120)


def test_what_is_on_its_way_in_time_is_no_worry() -> None:
    assert worries(overview(origins=one_origin(backlog=3, oldest_s=59.0))) == []


@pytest.mark.parametrize(
    ("left_ms", "lived_ms", "soon", "urgent"),
    [
        (31 * DAY_MS, 365 * DAY_MS, False, False),
        (29 * DAY_MS, 365 * DAY_MS, True, False),
        (6 * DAY_MS, 365 * DAY_MS, True, True),
        (20 * HOUR_MS, 24 * HOUR_MS, False, False),  # a certificate that lives a day is renewed in time
        (7 * HOUR_MS, 24 * HOUR_MS, True, False),
        (2 * HOUR_MS, 24 * HOUR_MS, True, True),
        (-1, 24 * HOUR_MS, True, True),
    ],
)
def test_credentials_are_shown_in_time(left_ms: int, lived_ms: int, soon: bool, urgent: bool) -> None:
    one = ending(left_ms, lived_ms=lived_ms)
    assert (one.soon(NOW_MS), one.urgent(NOW_MS)) == (soon, urgent)
    assert (ends(one, NOW_MS) in drawn([seen_as(overview(endings=(one,)))], 120)) is soon


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 m"), (3_661, "1 h 1 m"), (90_000, "1 d 1 h"), (-5, "0 s")],
)
def test_age(seconds: float, says: str) -> None:
    assert age(seconds) == says


def test_readiness_has_a_word_beside_its_shape() -> None:
    assert {role_word(one)[1] for one in (overview(), overview(ready=False), overview(problem="x"))} == {
        "ready",
        "not ready",
        "ready, look",
    }


@given(st.text(max_size=60))
def test_attack_text_of_a_peer_cannot_steer_the_terminal(text: str) -> None:
    """A peer's error text goes to an operator's terminal: no escape, no newline, no change of direction."""
    assert plain(text).isprintable()
    hostile = overview(components=(state("court", text + "\x1b[2J\x9b0m\u202e", needed=False),), problem=text)
    shown = drawn([seen_as(hostile), seen_as(None, "court", text + "\x1b]0;x\x07")], 120)
    assert all(char.isprintable() or char in "\n\N{NO-BREAK SPACE}" for char in shown)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}


@given(st.text(alphabet="<>&\"'/ =abscript\x1b\u202e", max_size=60))
def test_attack_text_of_a_peer_cannot_become_markup(text: str) -> None:
    hostile = text + "<script>alert(1)</script><img src=x onerror=y>"
    tags = Tags()
    tags.feed(
        status_page(
            overview(
                components=(state("court", hostile, name=hostile),), problem=hostile, origins=one_origin(halted=hostile)
            )
        )
    )
    assert "script" not in tags.found | tags.attributes
    assert not {"img", "a", "link", "iframe", "form"} & tags.found
    assert not {name for name in tags.attributes if name.startswith("on")} | ({"src", "href"} & tags.attributes)


def test_page_permits_nothing_but_its_own_style() -> None:
    policy = PAGE_HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert int(PAGE_HEADERS["Refresh"]) > 0


@pytest.mark.parametrize("width", [80, 120])
def test_frame_fits_its_terminal(width: int) -> None:
    many = [
        replace(
            overview().origins[0],
            origin=f"lender-{number}.courtrelay.example/log/1",
            backlog=number,
            oldest_s=61.0 + number,
        )
        for number in range(40)
    ]
    components = tuple(
        state(kind) for kind in ("ledger", "court_ledger", "court", "custodian", "database", "disk", "clock")
    )
    busy = overview(origins=tuple(many), components=components, problem="word " * 60)
    frame = drawn([seen_as(busy), seen_as(None, "court", "x" * 300)], width, lines=40).splitlines()
    assert max(map(len, frame)) <= width
    assert len(frame) <= 40
    assert "lender-39" in "\n".join(frame)  # the worst first
    assert "origins more" in frame[-1]


def test_rates_come_from_two_readings() -> None:
    before = overview()
    now = replace(before, taken_ms=before.taken_ms + 2000, origins=one_origin(held=12_500, confirmed=12_410))
    speed = rates([seen_as(before)], [seen_as(now)])
    assert (speed[ORIGIN].held, speed[ORIGIN].confirmed) == (50.0, 5.0)
    assert "+50.0 entries/s, +5.0 confirmed/s" in drawn([seen_as(now)], 80, speed=speed)
    assert rates([seen_as(None)], [seen_as(now)]) == {}
    assert rates([seen_as(now)], [seen_as(before)]) == {}  # a clock that was set back


_COUNT = st.none() | st.integers(0, 2**63)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(_TEXT, _COUNT, _COUNT, st.none() | st.floats(0, 1e12), st.booleans())
def test_overview_is_the_same_after_the_wire(
    text: str, held: int | None, backlog: int | None, oldest_s: float | None, ready: bool
) -> None:
    sent = overview(
        ready=ready,
        problem=text,
        components=(state("broker", text, needed=False),),
        origins=(OriginView(origin=text, held=held, backlog=backlog, oldest_s=oldest_s, halted=text),),
    )
    assert overview_from(overview_reply(sent)) == sent
    assert json.loads(json.dumps(overview_json(sent)))["origins"][0]["held"] == held
