"""The rules are Prometheus', each alert fires and stays silent where it should, and each has its runbook, whose commands exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from relay.cli.main import app
from tests.alerts.names import alerts, families, named, rules, unknown
from tests.alerts.prometheus import DEPLOY

ROOT = DEPLOY.parents[1]
RUNBOOKS = ROOT / "docs" / "runbooks"
SECTIONS = ["Symptom", "Check", "Act", "Verify", "Escalate"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "courtrelay.rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "courtrelay.rules.test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_takes_the_files(arguments: tuple[str, ...]):
    if shutil.which("promtool") is None:
        pytest.skip("Prometheus is not installed; on Debian: apt install prometheus")
    done = subprocess.run(["promtool", *arguments], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_in_one_case_and_stays_silent_in_another():
    cases = yaml.safe_load((DEPLOY / "courtrelay.rules.test.yml").read_text())["tests"]
    checks = [check for case in cases for check in case["alert_rule_test"]]
    silent = {check["alertname"] for check in checks if not check["exp_alerts"]}
    fired = {
        (check["alertname"], one["exp_labels"].get("window") or one["exp_labels"].get("limit"))
        for check in checks
        for one in check["exp_alerts"]
    }

    assert silent == set(alerts())
    assert fired == {
        (name, rule["labels"].get("window") or rule["labels"].get("limit"))
        for name, found in alerts().items()
        for rule in found
    }


def test_each_alert_says_how_urgent_it_is_what_is_wrong_and_what_to_read():
    for name, found in alerts().items():
        for rule in found:
            assert rule["labels"]["severity"] in ("page", "ticket"), name
            assert rule["annotations"]["summary"].endswith("."), name
            assert rule["annotations"]["runbook"] == f"docs/runbooks/{name}.md"


def test_rules_ask_for_what_roles_give():
    assert [
        f"{rule.get('alert') or rule['record']}: {name}" for rule in rules() for name in unknown(rule["expr"])
    ] == []


def test_a_query_for_what_no_role_gives_is_seen():
    query = 'courtrelay_no_such_total + courtrelay_ready{person="x", role="relay"} + courtrelay:no:such'

    assert list(unknown(query)) == ["courtrelay_no_such_total", "courtrelay_ready: person", "courtrelay:no:such"]


def test_each_alert_has_a_runbook_and_each_runbook_an_alert():
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == set(alerts())


def test_the_table_of_alerts_has_each_with_its_urgency():
    text = (ROOT / "docs" / "alerts.md").read_text()
    rows = re.findall(r"^\| \[(\w+)\]\(runbooks/(\w+)\.md\) \| (.+?) \|", text, re.MULTILINE)

    assert rows == [
        (name, name, " and ".join(sorted({rule["labels"]["severity"] for rule in found})))
        for name, found in alerts().items()
    ]
    assert named(text) <= families()


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_has_every_section_and_names_what_exists(path: Path):
    text = path.read_text()

    assert text.startswith(f"# {path.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert named(text) <= families()
    others = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", text))
    assert others <= set(alerts()), "points to a runbook that is none"


def test_commands_in_runbooks_exist():
    wrong = [
        f"{path.name}: {line}: {why}"
        for path in sorted(RUNBOOKS.glob("*.md"))
        for line in re.findall(r"^courtrelay .+$", path.read_text(), re.MULTILINE)
        if (why := _wrong(line.partition("#")[0].split()[1:]))
    ]

    assert wrong == []


def test_a_command_that_is_none_is_seen():
    assert _wrong(["relay", "mend"]) == "no command mend"
    assert _wrong(["relay", "backlog", "--all"]) == "no option --all"
    assert _wrong(["relay", "halt", "--reason"]) == "needs origin"


def _wrong(words: list[str]) -> str:
    command: Any = typer.main.get_command(app)
    words = list(words)
    while hasattr(command, "list_commands"):
        word = words.pop(0) if words else ""
        command = command.get_command(typer.Context(command), word)
        if command is None:
            return f"no command {word}"
    options = {name: one for one in command.params for name in (*one.opts, *one.secondary_opts) if name[0] == "-"}
    for word in words:
        if word.startswith("--") and word not in options:
            return f"no option {word}"
    given = len(list(_positional(words, options)))
    needed = [one.name for one in command.params if one.param_type_name == "argument" and one.required]
    return f"needs {needed[given]}" if given < len(needed) else ""


def _positional(words: list[str], options: dict[str, Any]) -> Iterator[str]:
    value_follows = quoted = False
    for word in words:
        if quoted or value_follows:
            quoted = word.count('"') == (0 if quoted else 1)
            value_follows = False
        elif word.startswith("--"):
            value_follows = not getattr(options[word], "is_flag", False)
        else:
            yield word
