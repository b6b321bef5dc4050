"""Real processes: which metrics moved, what a monitoring system makes of the pages, and that nothing secret stands in them."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.authz.canary import MARK, find
from tests.telemetry.moves import IN_THE_SCENARIO
from tests.telemetry.pages import ROLES, moved
from tests.telemetry.scenario import Scenario, played

SECRET_BYTES_MIN = 16


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    with played(tmp_path_factory.mktemp("scenario")) as scenario:
        yield scenario


@pytest.mark.parametrize("metric", IN_THE_SCENARIO)
def test_metric_moves_in_every_role_that_has_it(scenario: Scenario, metric: str) -> None:
    roles = IN_THE_SCENARIO[metric]
    assert [role for role in ROLES if moved(scenario.pages[role], metric)] == list(roles)


@pytest.mark.parametrize("role", ROLES)
def test_promtool_finds_nothing_wrong(scenario: Scenario, role: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; on Debian: apt install prometheus")
    page = scenario.pages[role][-1].text
    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_figures_are_those_of_what_was_done(scenario: Scenario) -> None:
    relay, custodian, court = (scenario.pages[role][-1] for role in ("relay", "custodian", "court"))
    total: dict[str, float] = {}
    for page in (relay, custodian, court):
        for (name, labels), value in page.samples.items():
            if name == "courtrelay_disclosure_requests_total":
                key = f"{dict(labels)['decision']} {dict(labels)['reason_class']}"
                total[key] = total.get(key, 0) + value
    assert total["allow none"] == 3  # each role once
    assert total["deny signature"] == 1  # the court's own check finds the revocation
    observed = sum(relay.of("courtrelay_commitments_observed_total").values())
    assert observed == sum(relay.of("courtrelay_commitments_finalized_total").values())
    assert observed == sum(relay.of("courtrelay_commitments_forwarded_total").values())
    assert 1 <= observed <= 6


def test_no_page_and_no_log_line_holds_what_was_deposited_or_a_secret(scenario: Scenario) -> None:
    texts = {f"{role}'s metrics": "\n".join(page.text for page in scenario.pages[role]).encode() for role in ROLES}
    texts |= {path.name: path.read_bytes() for path in scenario.home.glob("*.log")}
    assert texts["all.log"]
    for what, text in texts.items():
        assert not find(text, unpack=False), f"{what} holds a text that begins with {MARK}"
        for name, form in secrets(scenario):
            assert form not in text, f"{what} holds {name}"


def secrets(scenario: Scenario) -> Iterator[tuple[str, bytes]]:
    """Key files and grants in the forms in which they could be written down."""
    for token in scenario.tokens:
        yield from ((f"a part of a grant ({number})", part) for number, part in enumerate(token.split(b".")))
    for path in scenario.home.rglob("*"):
        if path.is_file() and (path.suffix == ".key" or "keys" in path.parts):
            data = path.read_bytes()
            if b"-----" in data:
                data = base64.b64decode(b"".join(data.split(b"-----")[2].split()))[-32:]
            if len(data) >= SECRET_BYTES_MIN:
                yield f"the key {path.name}", data
                yield f"the key {path.name} in hex", data.hex().encode()
                yield f"the key {path.name} in base64", base64.b64encode(data).rstrip(b"=")
