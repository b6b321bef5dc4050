"""deploy/compose.yaml and deploy/Dockerfile."""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from typing import Any

import yaml

from relay.app.serve import ROLES
from tests.deploy.manifests import DEPLOY, OPS, USER, WAYS
from tests.operate.guide import GUIDE, MAKING, ROOT, steps

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def test_the_whole_alliance_is_there() -> None:
    assert set(SERVICES) == {*ROLES, "broker", "prometheus"}
    for role in ROLES:
        assert SERVICES[role]["environment"] == {"COURTRELAY_ROLE": role}


def test_every_service_runs_without_rights_on_a_root_that_it_cannot_write() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service["user"].startswith("0"), name
        assert "privileged" not in service, name
        assert "cap_add" not in service, name
        assert "ports" not in service, "nothing is published on the machine's own addresses"
        writable = [volume for volume in service["volumes"] if not volume.endswith(":ro")]
        # one volume, for data alone; a broker of notices keeps none
        assert [volume.partition(":")[0] for volume in writable] == ([] if name == "broker" else [f"{name}-data"])
        assert all(tmp.startswith("/tmp:size=") for tmp in service["tmpfs"]), name


def test_two_services_share_a_network_exactly_where_the_design_has_a_way() -> None:
    ways = {frozenset(way) for way in WAYS}
    ways |= {frozenset((role, other)) for role in OPS for other in ("broker", "prometheus")}
    for one, other in itertools.combinations(SERVICES, 2):
        shared = set(SERVICES[one]["networks"]) & set(SERVICES[other]["networks"])
        assert bool(shared) is (frozenset((one, other)) in ways), (one, other, shared)


def test_no_network_leads_out_of_the_machine() -> None:
    networks = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["networks"]
    assert all(network == {"internal": True} for network in networks.values())
    assert {name for service in SERVICES.values() for name in service["networks"]} == set(networks)


def test_prometheus_asks_the_roles_where_they_answer() -> None:
    config = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text())
    targets = [target for job in config["scrape_configs"] for one in job["static_configs"] for target in one["targets"]]
    assert targets == [f"{role}:{port}" for role, port in OPS.items()]


def test_the_image_is_built_from_what_the_locks_name_and_runs_as_nobody() -> None:
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert len(bases) == 3
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", bases[0])
    installs = [rest for word, rest in instructions() if word == "RUN" and re.search(r"pip (install|wheel)", rest)]
    assert len(installs) == 4
    for command in installs:
        assert "--require-hashes" in command or "--no-deps" in command, command
    last = instructions()[max(i for i, (word, _) in enumerate(instructions()) if word == "FROM") :]
    assert ("USER", f"{USER}:{USER}") in last
    assert not [rest for word, rest in last if word in ("RUN", "ADD")]
    assert json.loads(dict(last)["HEALTHCHECK"].partition("CMD ")[2]) == ["courtrelay", "probe"]
    assert json.loads(dict(last)["ENTRYPOINT"]) == ["courtrelay"]


def test_the_image_is_made_as_the_guide_makes_it() -> None:
    """The guide's own blocks are run by `run.py operate`; the image's steps are the same ones."""
    guide = " ".join(step.body for step in steps(GUIDE.read_text()) if step.host in MAKING).replace("--quiet ", "")
    for word, command in instructions():
        if word == "RUN" and "requirements" in command:
            assert command.split("pip ", 1)[1].replace("--no-cache-dir ", "") in guide
        if word == "RUN" and "pip wheel" in command:
            assert command.split("pip ", 1)[1].replace("/dist", "dist") in guide


def test_the_image_gets_what_the_wheel_is_made_of_and_nothing_else() -> None:
    allowed = set(re.findall(r"^!(\S+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages <= allowed
    copied = {
        name for word, rest in instructions() if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]
    }
    assert copied == allowed
