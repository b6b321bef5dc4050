"""Profiles: a court's own, strict, and never without what a report needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relay.core.errors import Malformed
from relay.core.report_profile import choose_profile, parse_profiles
from relay.report.profiles import read_profiles

OWN: dict[str, Any] = {
    "name": "own", "version": 3, "blocks": ["A", "J", "D", "F", "K", "L"], "languages": ["zh-CN"],
    "preface": {"zh-CN": "本院"}, "closing": {},
}  # fmt: skip


def file(*profiles: dict[str, Any]) -> bytes:
    """A file of these."""
    return json.dumps({"format": "courtrelay-report-profile/v1", "profiles": profiles}, ensure_ascii=False).encode()


def test_a_court_brings_its_own(tmp_path: Path) -> None:
    path = tmp_path / "profiles.json"
    path.write_bytes(file(OWN))
    profiles = read_profiles(path)
    assert list(profiles) == ["own"]
    assert profiles["own"].left_out == ("B", "C", "E", "G", "H", "I")
    assert choose_profile(profiles, "own", "zh-CN").preface["zh-CN"] == "本院"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"blocks": ["A", "J", "D", "F", "K", "L", "X"]}, "must be one of"),
        ({"blocks": ["A", "J", "D", "F", "K", "L", "L"]}, "twice"),
        ({"blocks": ["A", "D", "F", "K", "L"]}, "J must be there"),
        ({"blocks": ["J", "A", "D", "F", "K", "L"]}, "begin with A"),
        ({"languages": ["fr"]}, "must be one of"),
        ({"languages": []}, "empty"),
        ({"preface": {"fr": "x"}}, "not a member"),
        ({"preface": {"en": "\N{RIGHT-TO-LEFT OVERRIDE}x"}}, "reading order"),
        ({"version": 0}, "outside"),
        ({"more": 1}, "not a member"),
    ],
)
def test_a_profile_of_another_form_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Malformed, match=words):
        parse_profiles(file({**OWN, **change}))


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(Malformed, match="twice"):
        parse_profiles(file(OWN, OWN))


def test_an_unknown_profile_or_language_names_the_known_ones() -> None:
    profiles = parse_profiles(file(OWN))
    with pytest.raises(Malformed, match="none of own"):
        choose_profile(profiles, "other", "zh-CN")
    with pytest.raises(Malformed, match="for zh-CN"):
        choose_profile(profiles, "own", "en")


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="cannot be read"):
        read_profiles(tmp_path / "none.json")
