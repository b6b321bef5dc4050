"""Every log line is an event that docs/events.md describes, and no text from outside can forge one."""

from __future__ import annotations

import ast
import json
import logging
import re
import string
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.app.runtime import EXCEPTION_CHARS_MAX, JsonLines
from relay.telemetry import events
from relay.telemetry.events import FIELD_CHARS_MAX, Event, log_event, printable

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for part in ("relay", "adapters") for path in (ROOT / part).rglob("*.py"))
PLAIN = {"debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log"}
WRITER = ROOT / "relay/telemetry/events.py"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
EVENTS = {name: one for name, one in vars(events).items() if isinstance(one, Event)}


def fields_of(event: Event) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(event.says) if name]


@cache
def calls() -> list[tuple[Path, ast.Call]]:
    read = ((path, ast.parse(text)) for path in SOURCES if "log" in (text := path.read_text()))
    return [(path, node) for path, tree in read for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_no_plain_log_call_is_left() -> None:
    plain = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, node in calls()
        if isinstance(node.func, ast.Attribute) and node.func.attr in PLAIN and path != WRITER
        for owner in [ast.unparse(node.func.value)]
        if owner in ("log", "logger", "logging", "self.log", "self._log", "LOG")
        or owner.startswith("logging.getLogger")
    ]
    assert plain == []


def test_every_call_gives_the_fields_that_its_event_names() -> None:
    seen = set()
    for path, node in calls():
        if not (isinstance(node.func, ast.Name) and node.func.id == "log_event"):
            continue
        where = f"{path.relative_to(ROOT)}:{node.lineno}"
        assert len(node.args) == 2, where
        event = EVENTS[ast.unparse(node.args[1])]
        given_ = sorted(str(one.arg) for one in node.keywords if one.arg != "exc_info")
        assert given_ == sorted(set(fields_of(event))), where
        seen.add(event.name)
    assert seen == {event.name for event in EVENTS.values()}, "an event that nobody logs"


def test_names_are_stable_words_and_used_once() -> None:
    names = [event.name for event in EVENTS.values()]
    assert len(names) == len(set(names))
    for constant, event in EVENTS.items():
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", event.name)
        assert constant == event.name.upper()
        assert all(name.isidentifier() for name in fields_of(event)), "a template reads fields, not their insides"
        assert event.name != "library"


def test_the_document_says_what_the_table_says() -> None:
    rows = {name: (level, shown) for name, level, shown, _, _ in ROW.findall((ROOT / "docs/events.md").read_text())}
    assert sorted(rows) == sorted(event.name for event in EVENTS.values())
    for event in EVENTS.values():
        shown = ", ".join(f"`{name}`" for name in fields_of(event)) or "none"
        assert rows[event.name] == (logging.getLevelName(event.level).lower(), shown), event.name


def one_line(record: logging.LogRecord) -> dict[str, object]:
    text = JsonLines().format(record)
    assert text.isprintable()
    assert len(text.splitlines()) == 1
    line: dict[str, object] = json.loads(text)
    return line


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept() -> tuple[logging.Logger, Kept]:
    log, handler = logging.getLogger("courtrelay.events-under-test"), Kept()
    log.propagate, log.handlers = False, []
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    return log, handler


def test_line_has_name_fields_and_words(kept: tuple[logging.Logger, Kept]) -> None:
    log, handler = kept
    log_event(log, events.ANCHORED, origin="lender-a.example/evidence", size=3, height=7)
    line = one_line(handler.records[0])
    assert line["event"] == "anchored"
    assert line["level"] == "info"
    assert line["message"] == "anchored lender-a.example/evidence at size 3 in block 7"
    assert line["fields"] == {"origin": "lender-a.example/evidence", "size": 3, "height": 7}
    assert "trace_id" not in line
    assert "exception" not in line


def test_line_of_a_library_says_so_and_is_bounded() -> None:
    record = logging.makeLogRecord({"name": "grpc", "levelname": "WARNING", "msg": "x\n{}" * 5000})
    line = one_line(record)
    assert line["event"] == "library"
    assert "fields" not in line
    assert len(str(line["message"])) <= 4000


def test_forged_line_in_a_reason_stays_a_reason(kept: tuple[logging.Logger, Kept]) -> None:
    log, handler = kept
    forged = 'x"}\n{"time": "2026-01-01T00:00:00.000Z", "event": "origin_halted"}\r\u2028\u2029\x85\x1b[2J\u202e'
    log_event(log, events.FEED_TROUBLE, ledger="lender-a", reason=forged)
    line = one_line(handler.records[0])
    assert line["event"] == "feed_trouble"
    assert "\\u202e" in str(line["fields"])
    assert "\x1b" not in str(line["message"])


def test_traceback_is_cut_at_its_beginning(kept: tuple[logging.Logger, Kept]) -> None:
    log, handler = kept
    try:
        raise ValueError("é" * EXCEPTION_CHARS_MAX + "\u2028the end")
    except ValueError as error:
        log_event(log, events.WORKER_CRASHED, exc_info=error)
    line = one_line(handler.records[0])
    told = str(line["exception"])
    assert len(told) <= EXCEPTION_CHARS_MAX
    assert told.startswith("é")
    assert told.endswith("\\u2028the end")


@given(st.text(max_size=3 * FIELD_CHARS_MAX))
def test_whatever_a_text_holds_it_is_shown_on_one_line_within_its_bound(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= FIELD_CHARS_MAX
    assert len(shown.splitlines()) <= 1
    assert all(one.isprintable() or one.isspace() for one in shown)
    if text.isprintable() and len(text) <= FIELD_CHARS_MAX:
        assert shown == text


def test_a_template_in_a_value_is_no_template(kept: tuple[logging.Logger, Kept]) -> None:
    log, handler = kept
    log_event(log, events.FEED_TROUBLE, ledger="{reason.__class__}", reason="{0}%s")
    assert handler.records[0].getMessage() == "feed of {reason.__class__}: {0}%s"


def test_what_is_not_wanted_costs_no_words(kept: tuple[logging.Logger, Kept]) -> None:
    log, handler = kept
    log.setLevel(logging.ERROR)

    class Loud:
        def __str__(self) -> str:
            raise AssertionError("nobody asked")

    log_event(log, events.FEED_TROUBLE, ledger="lender-a", reason=Loud())
    assert handler.records == []
