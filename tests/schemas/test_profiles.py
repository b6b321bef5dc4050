"""Disclosure profiles: every kind is covered by every profile, and what they open is what a reviewer can read in the file."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from relay.core.errors import Malformed
from relay.core.grants import opens, parse_grant
from relay.core.limits import GRANT_BYTES_MAX
from relay.core.scope import Profile, parse_profile
from relay.schemas import KindCatalogue
from tests.core.evidence import grant

CATALOGUE = KindCatalogue()
PROFILES = CATALOGUE.profiles()
BY_NAME = pytest.mark.parametrize("profile", PROFILES, ids=[p.name for p in PROFILES])


def test_there_are_four() -> None:
    assert [p.name for p in PROFILES] == ["filing", "full", "mediation", "minimal"]


@BY_NAME
def test_profile_says_of_every_kind_whether_it_opens(profile: Profile) -> None:
    assert len(CATALOGUE.names()) == 43
    assert sorted({*profile.kinds, *profile.withheld}) == CATALOGUE.names()
    assert not set(profile.kinds) & set(profile.withheld)


@BY_NAME
def test_profile_names_only_personal_members_that_the_kind_has(profile: Profile) -> None:
    for kind, members in profile.members.items():
        assert set(members) <= CATALOGUE.personal(kind), kind


@BY_NAME
def test_what_was_said_in_mediation_opens_for_mediation_alone(profile: Profile) -> None:
    privileged = [name for name in CATALOGUE.names() if CATALOGUE.kind(name, 1).confidentiality != "ordinary"]
    assert privileged == ["mediation_session"]
    assert (set(privileged) <= set(profile.kinds)) is (profile.purpose_class == "mediation")


@BY_NAME
def test_what_may_speak_against_the_lender_opens_whole(profile: Profile) -> None:
    """No profile can be used to leave out what does not suit the lender."""
    for name in CATALOGUE.names():
        info = CATALOGUE.kind(name, 1)
        if info.lender_unfavourable and profile.purpose_class == "trial":
            assert set(profile.members[name]) == info.personal, name
            assert name in profile.payloads, name


@BY_NAME
def test_grant_says_what_it_opens_without_the_profile_file(profile: Profile) -> None:
    token = grant(kinds=profile.kinds, scope=profile.scope(), purpose_class=profile.purpose_class)
    assert len(token) <= GRANT_BYTES_MAX // 4
    made = parse_grant(token)
    assert made.scope == profile.scope()
    assert (made.kinds, made.purpose_class) == (profile.kinds, profile.purpose_class)
    assert made.scope is not None
    assert made.scope.profile_sha256 == profile.sha256


def test_full_opens_every_ordinary_kind_whole_and_the_others_less() -> None:
    full = CATALOGUE.profile("full")
    ordinary = [n for n in CATALOGUE.names() if CATALOGUE.kind(n, 1).confidentiality == "ordinary"]
    assert list(full.kinds) == list(full.payloads) == ordinary
    assert all(set(full.members[kind]) == CATALOGUE.personal(kind) for kind in ordinary)
    for smaller, larger in (("minimal", "filing"), ("filing", "full")):
        one, two = CATALOGUE.profile(smaller), CATALOGUE.profile(larger)
        assert set(one.kinds) <= set(two.kinds)
        assert set(one.payloads) <= set(two.payloads)
        assert all(set(members) <= set(two.members[kind]) for kind, members in one.members.items())


def test_a_profile_changed_in_any_way_has_another_digest() -> None:
    data = json.loads(files("relay.schemas").joinpath("profiles.json").read_bytes())
    digests = {profile.sha256 for profile in PROFILES}
    data["filing"]["kinds"]["contract"]["members"].pop()
    changed = parse_profile("filing", data["filing"])
    assert changed.sha256 not in digests
    assert parse_profile("other", data["full"]).sha256 not in digests


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"purpose_class": "trial"},
        {"purpose_class": "holiday", "kinds": {}},
        {"purpose_class": "trial", "kinds": {"contract": {}}},
        {"purpose_class": "trial", "kinds": {"contract": {"members": []}}},
        {"purpose_class": "trial", "kinds": {"contract": {"members": [], "payloads": "some"}}},
        {"purpose_class": "trial", "kinds": {"contract": {"members": [], "payloads": "open", "more": 1}}},
        {"purpose_class": "trial", "kinds": {"Contract": {"withheld": "why"}}},
    ],
)
def test_profile_that_leaves_something_open_is_refused(value: object) -> None:
    with pytest.raises(Malformed):
        parse_profile("wrong", value)


def test_mediation_confidences_need_the_kind_named_and_the_purpose() -> None:
    for kinds, purpose_class, opened in (
        (["*"], "trial", False),
        (["*"], "mediation", False),
        (["mediation_session"], "trial", False),
        (["mediation_session"], "mediation", True),
    ):
        made = parse_grant(grant(kinds=kinds, purpose_class=purpose_class))
        assert opens(made, kind="mediation_session", confidentiality="mediation_privileged") is opened
