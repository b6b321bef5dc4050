"""Roles as processes of their own, looked at as an operator, a probe and a browser do; what is down was really stopped."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from relay.app.initialise import ORIGIN
from relay.config.roles import read_desk
from relay.core.errors import Denied
from relay.transport.channels import channel
from relay.transport.credentials import TlsFiles, channel_credentials
from relay.wire.operations_client import ask_overview
from relay.wire.v1 import custodian_pb2, custodian_pb2_grpc
from tests.support.command import PATIENCE_S, ROOT, courtrelay, environment, serving
from tests.support.lines import repayment
from tests.support.ports import base_port
from tests.web.browser import running_chromium

ROLES = ("lender-ledger", "court-ledger", "court", "relay", "custodian")
Status = health_pb2.HealthCheckResponse


class Roles:
    """The five processes of a home, each started and ended by itself."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.running: dict[str, tuple[ExitStack, subprocess.Popen[str]]] = {}

    def start(self, role: str) -> None:
        stack = ExitStack()
        self.running[role] = stack, stack.enter_context(serving(self.home, role))

    def end(self, role: str) -> None:
        stack, _ = self.running.pop(role)
        stack.close()

    def ops(self, role: str) -> str:
        listen = tomllib.loads((self.home / role / "config.toml").read_text())["ops"]["listen"]
        return f"http://{listen}"

    def get(self, role: str, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.ops(role) + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def ready(self, role: str) -> tuple[int, dict[str, str]]:
        """/readyz: the code, and what it says of each component."""
        code, text = self.get(role, "/readyz")
        return code, dict(line.split(": ", 1) for line in text.splitlines()[1:])


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roles]:
    home = tmp_path_factory.mktemp("health") / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    network = Roles(home)
    try:
        for role in ROLES:
            network.start(role)
        yield network
    finally:
        for role in reversed(list(network.running)):
            network.end(role)


def until(what: str, done: Callable[[], Any]) -> Any:
    """What `done` gives once it gives something."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        found = done()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"never came to be: {what}")


def all_well(roles: Roles, role: str) -> bool:
    code, components = roles.ready(role)
    return code == 200 and set(components.values()) == {"ok"}


def test_ready_roles_name_each_component_and_status_is_0(roles: Roles) -> None:
    kinds = {
        "custodian": {"ledger", "relay", "database", "disk", "clock"},
        "relay": {"ledger", "court_ledger", "court", "custodian", "database", "disk", "clock"},
        "court": {"court_ledger", "relay", "database", "disk", "clock"},
    }
    for role, expected in kinds.items():
        until(f"{role} is well", lambda role=role: all_well(roles, role))
        assert {name.split(" ")[0] for name in roles.ready(role)[1]} == expected
        assert roles.get(role, "/livez") == (200, "alive\n")
    done = courtrelay("status", "--home", roles.home)
    assert (done.code, "all is well" in done.out) == (0, True)
    told = courtrelay("status", "--home", roles.home, "--json").json()
    assert {role: one["overview"]["ready"] for role, one in told.items()} == dict.fromkeys(kinds, True)
    assert told["relay"]["overview"]["origins"][0]["origin"] == ORIGIN
    page = json.loads(roles.get("relay", "/status.json")[1])
    assert page["origins"] == told["relay"]["overview"]["origins"]
    for role in kinds:
        assert roles.get(role, "/nowhere")[0] == 404


async def test_attack_overview_is_for_operators_alone(roles: Roles) -> None:
    """A peer of the relay, with a good certificate of its own, asks for what operators are told."""
    address = read_desk(roles.home / "relay-desk/desk.toml").address
    for role in ("custodian", "court"):
        tls = tomllib.loads((roles.home / role / "config.toml").read_text())["tls"]
        files = TlsFiles(**{name: roles.home / role / tls[name] for name in ("ca", "certificate", "key")})
        async with channel(address, files) as opened:
            with pytest.raises(Denied):
                await ask_overview(opened)


def test_top_prints_one_frame_that_fits(roles: Roles) -> None:
    done = courtrelay("top", "--once", "--home", roles.home, env={"COLUMNS": "80"})
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= 80
    assert "entries/s" in done.out


@pytest.mark.parametrize("by", ["q", "SIGINT"])
def test_top_at_a_terminal_ends_by_key_and_by_signal(roles: Roles, by: str) -> None:
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "relay.cli", "top", "--home", str(roles.home)]
    around = {**environment(), "TERM": "xterm", "COLUMNS": "80", "LINES": "30"}
    process = subprocess.Popen(command, cwd=ROOT, env=around, stdin=inner, stdout=inner, stderr=inner)
    os.close(inner)
    shown, ready = b"", select.poll()  # `select.select` knows no descriptor above 1,023
    ready.register(outer, select.POLLIN)

    def seen() -> bool:
        nonlocal shown
        if ready.poll(0):
            shown += os.read(outer, 65_536)
        return b"proven" in shown

    until("a frame", seen)
    if by == "q":
        os.write(outer, b"q")
    else:
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE_S) == 0
    os.close(outer)
    assert b"Traceback" not in shown


def test_page_in_a_browser_keeps_its_own_policy(roles: Roles) -> None:
    wrong: list[str] = []
    with running_chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: wrong.append(message.text))
        page.on("requestfailed", lambda request: wrong.append(request.url))
        page.goto(roles.ops("relay") + "/")
        assert page.title() == "relay: ready"
        assert page.locator("h1").inner_text().endswith("ready")
        assert page.evaluate("getComputedStyle(document.querySelector('.up')).color") == "rgb(20, 96, 42)"
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert [one for one in wrong if "favicon" not in one] == []


def test_store_that_is_stuck_turns_readiness_and_grpc_and_back(roles: Roles) -> None:
    desk = read_desk(roles.home / "relay-desk/desk.toml")
    with grpc.secure_channel(desk.address, channel_credentials(desk.tls)) as opened:
        seen = _watching(opened)
        until("serving", lambda: seen[-1:] == [Status.SERVING])
        other = sqlite3.connect(roles.home / "relay/data/relay.sqlite", isolation_level=None, timeout=PATIENCE_S)
        other.execute("BEGIN IMMEDIATE")
        try:
            code, components = until("not ready", lambda: (lambda r: r if r[0] == 503 else None)(roles.ready("relay")))
            assert (code, components["disk data"], components["clock own"]) == (503, "ok", "ok")
            assert not components["database sqlite"].startswith(("ok", "waits"))
            until("not serving", lambda: seen[-1] == Status.NOT_SERVING)
            assert roles.get("relay", "/livez")[0] == 200
            assert courtrelay("status", "--home", roles.home).code == 1
        finally:
            other.execute("ROLLBACK")
            other.close()
        until("ready again", lambda: all_well(roles, "relay"))
        until("serving again", lambda: seen[-1] == Status.SERVING)


def _watching(opened: grpc.Channel) -> list[int]:
    """What a Watch of the whole has said so far; grows until the channel closes."""
    seen: list[int] = []
    calling = health_pb2_grpc.HealthStub(opened).Watch(health_pb2.HealthCheckRequest())

    def follow() -> None:
        with suppress(grpc.RpcError):
            for one in calling:
                seen.append(one.status)

    threading.Thread(target=follow, daemon=True).start()
    return seen


def test_relay_without_its_court_stays_ready_and_says_that_it_waits(roles: Roles) -> None:
    until("all well", lambda: all_well(roles, "relay"))
    roles.end("court")
    try:
        name = next(one for one in roles.ready("relay")[1] if one.startswith("court 127"))
        until("the relay says so", lambda: roles.ready("relay")[1][name].startswith("waits: "))
        assert roles.ready("relay")[0] == 200
        assert roles.get("relay", "/readyz")[1].startswith("ready\n")
        away = courtrelay("status", "--home", roles.home)
        assert away.code == 3
        assert "court cannot be asked" in away.out
        told = courtrelay("status", "--home", roles.home, "--json").json()
        assert (told["court"]["state"], told["court"]["overview"]) == ("cannot be asked", None)
    finally:
        roles.start("court")
    until("all well again", lambda: all_well(roles, "relay"))
    until("status says so", lambda: courtrelay("status", "--home", roles.home).code == 0)


def test_deposit_under_way_at_sigterm_is_stored_and_the_role_ends_in_time(roles: Roles) -> None:
    """NOT_SERVING first, then what runs is finished, then the process is gone, with code 0 and within 10 s."""
    until("all well", lambda: all_well(roles, "custodian"))
    _, process = roles.running["custodian"]
    desk = read_desk(roles.home / "lender-desk/desk.toml")
    go_on = threading.Event()

    def requests() -> Iterator[custodian_pb2.DepositRequest]:
        yield from _dossier("before")
        yield custodian_pb2.DepositRequest(begin=custodian_pb2.BeginDossier(reference="under way"))
        go_on.wait(PATIENCE_S)
        yield from list(_dossier("under way"))[1:]

    with grpc.secure_channel(desk.address, channel_credentials(desk.tls)) as opened:
        seen = _watching(opened)
        until("serving", lambda: seen[-1:] == [Status.SERVING])
        outcomes = custodian_pb2_grpc.CustodianDeskStub(opened).Deposit(requests(), timeout=60)
        first = next(outcomes)  # the call has arrived
        assert first.stored.reference == "before", first
        process.send_signal(signal.SIGTERM)
        until("not serving", lambda: seen[-1] == Status.NOT_SERVING)
        go_on.set()
        assert [one.stored.reference for one in outcomes] == ["under way"]
        assert process.wait(timeout=60) == 0
    roles.end("custodian")


def _dossier(reference: str) -> Iterator[custodian_pb2.DepositRequest]:
    line = {"dossier": reference, **repayment(0, payload=None)[0]}
    yield custodian_pb2.DepositRequest(begin=custodian_pb2.BeginDossier(reference=reference))
    yield custodian_pb2.DepositRequest(record=custodian_pb2.RecordLine(line=1, json=json.dumps(line).encode()))
    yield custodian_pb2.DepositRequest(end=custodian_pb2.EndDossier())


def test_custodian_that_waits_for_its_ledger_lives_and_says_what_it_waits_for(roles: Roles) -> None:
    for role in {"custodian", "lender-ledger"} & set(roles.running):
        roles.end(role)

    def told() -> str:
        with suppress(OSError):
            return roles.get("custodian", "/readyz")[1]
        return ""

    command = [sys.executable, "-m", "relay.cli", "serve", "custodian", "--home", str(roles.home)]
    waiting = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until("it was looked at", lambda: "database" in told())
        assert told().splitlines()[0] == "not ready: its logs are compared with its ledger before it serves"
        assert roles.get("custodian", "/livez") == (200, "alive\n")
        assert 'courtrelay_ready{role="custodian"} 0.0' in roles.get("custodian", "/metrics")[1]
        roles.start("lender-ledger")
        until("it serves", lambda: all_well(roles, "custodian"))
    finally:
        waiting.terminate()
        waiting.wait(timeout=PATIENCE_S)
    roles.start("custodian")
