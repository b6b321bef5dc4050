"""The packaged retention policy covers every kind with a reviewed class; a lender's own must, too."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from relay.config.roles import read_custodian
from relay.core.errors import Malformed
from relay.core.retention import Start
from relay.schemas import KindCatalogue, load_policy
from tests.support.bundles import make_home

KINDS = KindCatalogue()
POLICY = load_policy(None, KINDS.names())


def test_every_kind_has_the_class_that_its_schema_names() -> None:
    assert dict(POLICY.kinds) == {name: KINDS.kind(name, 1).retention for name in KINDS.names()}
    assert set(POLICY.kinds.values()) == set(POLICY.classes)


@pytest.mark.parametrize("name", sorted(POLICY.classes))
def test_every_class_says_where_it_comes_from(name: str) -> None:
    one = POLICY.classes[name]
    assert re.search(r"\barts?\. [0-9]|\b[0-9]+ CFR [0-9]", one.source)
    assert one.jurisdiction.startswith("CN")
    assert one.note
    if one.years is not None:
        assert name.endswith(f"-{one.years}y")
        assert one.start in (Start.CLOSURE, Start.LAST_RECORD)


def test_document_lists_the_classes() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/spec/erasure.md").read_text()
    for name, one in POLICY.classes.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        assert (str(one.years) if one.years is not None else "none") in row
        assert f"`{one.start.value}`" in row


def test_own_policy_takes_the_place_of_the_packaged_one(tmp_path: Path) -> None:
    own = json.loads(files("relay.schemas").joinpath("retention.v1.json").read_text())
    own["policy"] = "our-own"
    own["classes"]["permanent"]["years"] = 20
    (tmp_path / "own.json").write_text(json.dumps(own))
    policy = load_policy(tmp_path / "own.json", KINDS.names())
    rule = policy.of_kind("judgment")
    assert rule is not None
    assert (policy.name, rule.years, policy.digest == POLICY.digest) == ("our-own", 20, False)


def test_policy_that_forgets_a_kind_is_refused_by_file_and_kind(tmp_path: Path) -> None:
    own = json.loads(files("relay.schemas").joinpath("retention.v1.json").read_text())
    del own["kinds"]["contract"]
    (tmp_path / "own.json").write_text(json.dumps(own))
    with pytest.raises(Malformed, match="has no class for contract") as refusal:
        load_policy(tmp_path / "own.json", KINDS.names())
    assert refusal.value.what == str(tmp_path / "own.json")
    for data in (b"", b"{}", b"\xff", b"[]"):
        (tmp_path / "own.json").write_bytes(data)
        with pytest.raises(Malformed, match=r"own\.json"):
            load_policy(tmp_path / "own.json", KINDS.names())
    with pytest.raises(Malformed, match="cannot be read"):
        load_policy(tmp_path / "none.json", KINDS.names())


def test_configuration_names_an_own_policy_or_none(tmp_path: Path) -> None:
    path = make_home(tmp_path / "home") / "custodian/config.toml"
    assert read_custodian(path).retention is None
    text = path.read_text()
    path.write_text(text + '\n[retention]\npolicy = "own.json"\n')
    assert read_custodian(path).retention == path.parent / "own.json"
    for wrong in ("[retention]\n", '[retention]\npolicy = "a"\nmore = 1\n', "[retention]\npolicy = 3\n"):
        path.write_text(f"{text}\n{wrong}")
        with pytest.raises(Malformed, match="retention"):
            read_custodian(path)
