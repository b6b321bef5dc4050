"""deploy/kubernetes: every manifest has what it must, and the policies permit exactly the ways of the design."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from relay.app.serve import ROLES
from tests.deploy.manifests import DEPLOY, OPS, PORTS, USER, WAYS, documents, guide_configs, of_kind, workloads

NAMES = [name for name, _, _ in workloads()]
OUTSIDE = {"postgresql": 5432, "broker": 8883, "prometheus": None}
"""Peers that are not made here."""


def workload(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return next((pod, container) for one, pod, container in workloads() if one == name)


def test_all_roles_run_the_relay_as_workers_and_those_with_a_store_of_their_own_as_stateful_sets() -> None:
    kinds = {one["metadata"]["name"]: one["kind"] for one in of_kind("StatefulSet", "Deployment")}
    assert kinds == {
        "lender-ledger": "StatefulSet",
        "court-ledger": "StatefulSet",
        "custodian": "StatefulSet",
        "court": "StatefulSet",
        "relay": "Deployment",
        "relay-workers": "Deployment",
    }
    replicas = {one["metadata"]["name"]: one["spec"]["replicas"] for one in of_kind("StatefulSet", "Deployment")}
    assert replicas == {**dict.fromkeys(kinds, 1), "relay-workers": 2}
    assert {container["env"][0]["value"] for _, _, container in workloads()} == set(ROLES)


@pytest.mark.parametrize("name", NAMES)
def test_a_pod_runs_without_rights_on_a_root_that_it_cannot_write(name: str) -> None:
    pod, container = workload(name)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == USER
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")} == {
        "/var/lib/courtrelay",
        "/tmp",
    }
    for wish in ("requests", "limits"):
        assert {"cpu", "memory"} <= set(container["resources"][wish])
    assert pod["terminationGracePeriodSeconds"] > 10, "a role ends within ten seconds"


@pytest.mark.parametrize("name", NAMES)
def test_secrets_are_files_that_only_the_role_can_read_and_lie_where_its_configuration_looks(name: str) -> None:
    pod, container = workload(name)
    (home,) = (volume["projected"] for volume in pod["volumes"] if volume["name"] == "home")
    assert home["defaultMode"] == 0o400
    assert "env" in container
    assert all("valueFrom" not in one for one in container["env"]), "no secret in an environment"
    role = container["env"][0]["value"]
    files = {item["path"] for source in home["sources"] for kind in source for item in source[kind]["items"]}
    config = tomllib.loads(guide_configs()[f"{role}/config.toml"])
    keys = config["validators"] if "validators" in config else config.get("keys", {})
    wanted = {f"{role}/{path}" for path in keys.values()} | {f"{role}/tls.pem", f"{role}/tls.key", "ca.pem", "crl.pem"}
    assert wanted <= files
    secret = {item["path"] for source in home["sources"] if "secret" in source for item in source["secret"]["items"]}
    assert {path for path in files if path.endswith(".key") or "/keys/" in path} <= secret
    if role == "relay":
        assert f"{role}/database.url" in secret


@pytest.mark.parametrize("name", NAMES)
def test_probes_ask_the_ops_address_or_the_program_itself(name: str) -> None:
    _, container = workload(name)
    role = container["env"][0]["value"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    if role in OPS:
        assert ports["ops"] == OPS[role]
        found = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
        assert found == ["/livez", "/livez", "/readyz"]
        assert all(
            container[p]["httpGet"]["port"] == "ops" for p in ("startupProbe", "livenessProbe", "readinessProbe")
        )
    else:
        assert container["livenessProbe"]["exec"]["command"] == ["courtrelay", "probe", "--live"]
        assert container["readinessProbe"]["exec"]["command"] == ["courtrelay", "probe"]
    if role != "custodian":
        assert ports["grpc"] == PORTS[role]


def test_the_guide_and_the_manifests_have_the_same_ports() -> None:
    for path, text in guide_configs().items():
        config, role = tomllib.loads(text), path.split("/")[0]
        if role in PORTS:
            assert str(config.get("listen", config.get("address"))).endswith(f":{PORTS[role]}"), path
        if role in OPS:
            assert config["ops"]["listen"].endswith(f":{OPS[role]}"), path


def test_every_workload_has_a_disruption_budget_and_one_worker_always_stays() -> None:
    budgets = {
        one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]: one["spec"]
        for one in of_kind("PodDisruptionBudget")
    }
    assert set(budgets) == set(NAMES)
    assert budgets["relay-workers"]["minAvailable"] == 1


def test_a_service_leads_to_pods_that_have_its_port_and_retrievals_to_one_worker() -> None:
    for service in of_kind("Service"):
        component = service["spec"]["selector"]["app.kubernetes.io/component"]
        _, container = workload(component)
        assert {port["name"] for port in service["spec"]["ports"]} <= {port["name"] for port in container["ports"]}
    named = [one["spec"]["selector"]["app.kubernetes.io/component"] for one in of_kind("Service")]
    assert "relay-workers" not in named, "custodian and court must call one and the same worker"


def policies() -> dict[tuple[str, str], dict[str, Any]]:
    """Of each pod; by its namespace and component, empty for all."""
    return {
        (
            one["metadata"]["namespace"],
            one["spec"]["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/component", ""),
        ): one["spec"]
        for one in of_kind("NetworkPolicy")
        if one["metadata"]["name"] != "names"
    }


def ways(word: str, peers: str) -> set[tuple[str, str, int]]:
    """(from, to, port) as one side's policies permit it."""
    found = set()
    for (_, component), spec in policies().items():
        for rule in spec.get(word, []):
            for peer in rule[peers]:
                other = peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
                (port,) = rule["ports"]
                ends = (other, component) if word == "ingress" else (component, other)
                found.add((*ends, port["port"]))
    return found


def test_every_namespace_denies_by_default() -> None:
    spaces = {one["metadata"]["name"] for one in of_kind("Namespace")}
    assert {one["metadata"]["namespace"] for one in documents() if one["kind"] != "Namespace"} == spaces
    for space in spaces:
        assert policies()[(space, "")] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for one in of_kind("NetworkPolicy"):
        for word in ("ingress", "egress"):
            for rule in one["spec"].get(word, []):
                assert rule["ports"], "a rule without ports opens all of them"
                assert rule["from" if word == "ingress" else "to"], "a rule without peers opens to everybody"


def test_the_ways_are_exactly_those_of_the_design_and_both_sides_agree() -> None:
    out, into = ways("egress", "to"), ways("ingress", "from")
    ours = {(a, b, p) for a, b, p in out if b not in OUTSIDE}
    assert ours == {(a, b, p) for a, b, p in into if a not in OUTSIDE}
    plain = {(a.replace("relay-workers", "relay"), b.replace("relay-workers", "relay")) for a, b, _ in ours}
    assert plain == WAYS
    assert all(port == PORTS[to] for _, to, port in ours)
    assert {(b, p) for _, b, p in out if b in OUTSIDE} == {("postgresql", 5432), ("broker", 8883)}
    assert {(a, p) for a, _, p in into if a in OUTSIDE} == {("prometheus", port) for port in OPS.values()}


def test_the_court_never_reaches_the_lender() -> None:
    lender = {"custodian", "lender-ledger"}
    for source, target, _ in ways("egress", "to") | ways("ingress", "from"):
        assert not (source == "court" and target in lender)
        assert not (source in lender and target in ("court", "court-ledger"))


def test_no_manifest_names_a_moving_image() -> None:
    for path in (DEPLOY / "kubernetes").glob("*.yaml"):
        for image in re.findall(r"image: (\S+)", path.read_text()):
            assert re.fullmatch(r"[a-z/-]+:\d+\.\d+\.\d+", image), image
