"""Trust roots have a version and an end: an old file is not used again, an expired one discloses and retrieves nothing, and it is said."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.app import offline
from relay.app.trust import USED, read_trust, use_trust
from relay.app.verdict_lines import verdict_lines
from relay.core.errors import Denied, Malformed, Unverified
from relay.core.limits import FUTURE_SKEW_S, TRUST_LIFETIME_S_MAX
from relay.core.trust import TrustRoots, parse_trust_roots
from tests.evidence.test_retrieval_attacks import authorise, dossier_of, last_event, request_under
from tests.support.bundles import Made, make_bundle, make_home, noon_of
from tests.support.command import courtrelay
from tests.support.lines import small_dossier
from tests.support.way import Way, open_way


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_bundle(tmp_path_factory.mktemp("trust") / "home")


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="trust") as opened:
        await opened.deposit("loan 1", small_dossier())
        await opened.forward()
        yield opened


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"version": 0}, "version"),
        ({"version": -1}, "version"),
        ({"version": True}, "version"),
        ({"version": "1"}, "version"),
        ({"version": None}, "version"),
        ({"issued_at": "2026-01-01"}, "issued_at"),
        ({"issued_at": 5}, "issued_at"),
        ({"expires_at": "2026-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": None}, "expires_at"),
        ({"issued_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T00:00:00Z"}, "expires_at"),
        ({"issued_at": "2026-01-02T00:00:00Z", "expires_at": "2026-01-01T00:00:00Z"}, "expires_at"),
        ({"issued_at": "2026-01-01T00:00:00Z", "expires_at": "2036-01-09T00:00:01Z"}, "expires_at"),
    ],
)
def test_trust_roots_without_version_or_end_are_malformed(made: Made, change: dict[str, Any], field: str) -> None:
    value = json.loads(made.trust.to_json())
    with pytest.raises(Malformed) as refusal:
        parse_trust_roots(json.dumps({**value, **change}).encode())
    assert refusal.value.field == field
    with pytest.raises(Malformed, match=f"{field}.*is missing"):
        parse_trust_roots(json.dumps({name: v for name, v in value.items() if name != field}).encode())


def test_trust_roots_are_current_up_to_their_last_second(made: Made) -> None:
    trust = replace(made.trust, issued_at_s=10_000, expires_at_s=10_000 + TRUST_LIFETIME_S_MAX)
    end = trust.expires_at_s
    for now_s in (10_000 - FUTURE_SKEW_S, 10_000, end - 1):
        assert trust.why_stale(now_s) == ""
    assert "have expired" in trust.why_stale(end)
    assert "have expired" in trust.why_stale(2**40)
    assert "in the future" in trust.why_stale(10_000 - FUTURE_SKEW_S - 1)


def written(folder: Path, trust: TrustRoots) -> Path:
    path = folder / "trust.json"
    path.write_bytes(trust.to_json())
    return path


def test_older_version_than_the_one_last_used_is_refused(made: Made, tmp_path: Path) -> None:
    """TUF's rollback: an old file, once good, that still trusts a key which was revoked since."""
    (data := tmp_path / "data").mkdir()
    five, six = replace(made.trust, version=5), replace(made.trust, version=6, expires_at_s=made.trust.expires_at_s + 1)
    assert use_trust(written(tmp_path, five), data) == five
    assert use_trust(written(tmp_path, five), data) == five
    assert use_trust(written(tmp_path, six), data) == six
    for old in (five, replace(made.trust, version=1)):
        with pytest.raises(Malformed) as refusal:
            use_trust(written(tmp_path, old), data)
        assert refusal.value.what.endswith("trust.json")
        assert refusal.value.field == "version"
        assert "version 6 was in use here before" in refusal.value.reason
    assert use_trust(written(tmp_path, six), data) == six


def test_two_files_of_one_version_are_refused_and_spacing_makes_no_second_file(made: Made, tmp_path: Path) -> None:
    (data := tmp_path / "data").mkdir()
    path = written(tmp_path, made.trust)
    use_trust(path, data)
    path.write_text(json.dumps(json.loads(path.read_bytes()), separators=(",", ":")))
    assert use_trust(path, data) == made.trust
    with pytest.raises(Malformed, match="every change needs a new version"):
        use_trust(written(tmp_path, replace(made.trust, expires_at_s=made.trust.expires_at_s - 1)), data)


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b'{"version":0}', b"\xff" * 9, b"x" * 5000])
def test_memory_of_the_version_that_is_damaged_is_refused_by_its_name(
    made: Made, tmp_path: Path, content: bytes
) -> None:
    """It is never taken for a first start."""
    (tmp_path / USED).write_bytes(content)
    with pytest.raises(Malformed) as refusal:
        use_trust(written(tmp_path, made.trust), tmp_path)
    assert refusal.value.what.endswith(USED)


async def test_expired_trust_roots_disclose_and_retrieve_nothing_and_everything_else_goes_on(way: Way) -> None:
    trust = read_trust(way.home / "trust.json")
    grant = await way.grant(await dossier_of(way), days=500)
    way.clock.ms = trust.expires_at_s * 1000 - 1
    await authorise(way, request_under(way, grant))
    assert way.disclosures.problem == ""
    way.clock.ms += 1
    with pytest.raises(Denied, match="trust roots have expired"):
        await authorise(way, request_under(way, grant))
    assert "trust roots have expired" in way.disclosures.problem
    with pytest.raises(Unverified, match="trust roots have expired"):
        await way.retrieve(grant)
    await way.deposit("loan 2", small_dossier(2))
    await way.forward()


async def test_trust_roots_of_tomorrow_disclose_nothing(way: Way) -> None:
    trust = read_trust(way.home / "trust.json")
    way.disclosures._trust = replace(trust, issued_at_s=way.clock.ms // 1000 + FUTURE_SKEW_S + 1)
    grant = await way.grant(await dossier_of(way))
    with pytest.raises(Denied, match="dated in the future"):
        await authorise(way, request_under(way, grant))
    assert (await last_event(way)).action == "grant"


@pytest.mark.parametrize(("days", "said"), [(-400, True), (30, False)])
def test_verification_with_expired_trust_roots_says_so_and_judges_by_the_keys_of_then(
    made: Made, tmp_path: Path, days: int, said: bool
) -> None:
    """Evidence verifies for decades; that a key was revoked since would not be known."""
    now_s = noon_of(made.home) // 1000
    path = written(tmp_path, replace(made.trust, issued_at_s=now_s - 500 * 86_400, expires_at_s=now_s + days * 86_400))
    (tmp_path / "bundle.zip").write_bytes(made.data)
    verdict = offline.verify_bundle(tmp_path / "bundle.zip", path, lambda _done, _total: None)
    assert verdict["verdict"] == "CONSISTENT"
    assert ("have expired" in verdict["trust_roots"]["stale"]) is said
    assert verdict["trust_roots"]["version"] == 1
    notes = [line for line in verdict_lines(verdict) if "trust roots have expired" in line]
    assert len(notes) == int(said)


def test_role_does_not_start_with_an_older_file(tmp_path: Path) -> None:
    """As an operator sees it: one line, with the file and what to do."""
    home = make_home(tmp_path / "home")
    trust = read_trust(home / "trust.json")
    for role in ("court", "custodian"):
        data = home / role / "data"
        data.mkdir(exist_ok=True)
        use_trust(written(tmp_path, replace(trust, version=9)), data)
        ran = courtrelay("serve", role, "--home", home)
        assert ran.code == 78
        assert "version 9 was in use here before" in ran.err
        assert ran.err.count("\n") == 1
