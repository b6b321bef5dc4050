"""ReportProfile: which blocks of a deposit report a court wants, in which order, in which languages, with which words of its own.

A profile leaves out blocks, never facts inside one; what it leaves out is named in the report. Some blocks stand in every report:
without them it would claim something that nobody could weigh or check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from relay.core.canonical import loads_strict
from relay.core.errors import Malformed
from relay.core.fields import Fields

FORMAT: Final = "courtrelay-report-profile/v1"
PROFILE_BYTES_MAX: Final = 64 * 1024
WORDS_CHARS_MAX: Final = 2000
PROFILES_MAX: Final = 64
REPORT_LANGUAGES: Final = ("en", "zh-CN")
BLOCKS: Final = ("A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L")
"""Report; applicant and purpose; subject; items; anchoring; times; signatures; provenance; platform; verification; completeness;
how to check."""
NEVER_LEFT_OUT: Final = frozenset("ADFJKL")
_WHAT: Final = "report profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportProfile:
    """`preface` and `closing`: the court's own words by language, empty when it has none."""

    name: str
    version: int
    blocks: tuple[str, ...]
    languages: tuple[str, ...]
    preface: Mapping[str, str]
    closing: Mapping[str, str]

    @property
    def left_out(self) -> tuple[str, ...]:
        """The blocks that it leaves out, in their order."""
        return tuple(block for block in BLOCKS if block not in self.blocks)


def parse_profiles(data: bytes, *, what: str = _WHAT) -> dict[str, ReportProfile]:
    """A file of profiles by name, strict JSON. Raises `Malformed`: unknown and doubled blocks, and ones that may not be left out."""
    fields = Fields(loads_strict(data, what=what, bytes_max=PROFILE_BYTES_MAX), what=what)
    fields.literal("format", FORMAT)
    made: dict[str, ReportProfile] = {}
    for inner in fields.objects("profiles", count_max=PROFILES_MAX):
        profile = _profile(inner)
        if profile.name in made:
            raise inner.refuse("name", f"{profile.name} is there twice")
        made[profile.name] = profile
    fields.done()
    return made


def _profile(fields: Fields) -> ReportProfile:
    profile = ReportProfile(
        name=fields.token("name"),
        version=fields.integer("version", low=1),
        blocks=_each_once(fields, "blocks", BLOCKS),
        languages=_each_once(fields, "languages", REPORT_LANGUAGES),
        preface=_words(fields, "preface"),
        closing=_words(fields, "closing"),
    )
    fields.done()
    if missing := sorted(NEVER_LEFT_OUT - set(profile.blocks)):
        raise fields.refuse("blocks", f"{', '.join(missing)} must be there: no report can do without them")
    if profile.blocks[0] != "A":
        raise fields.refuse("blocks", "must begin with A: a report says first what it is")
    return profile


def _each_once(fields: Fields, name: str, known: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for place, value in enumerate(fields.array(name, count_max=len(known))):
        if not isinstance(value, str) or value not in known:
            raise fields.refuse(f"{name}[{place}]", f"must be one of {', '.join(known)}")
        if value in found:
            raise fields.refuse(f"{name}[{place}]", f"{value} is there twice")
        found.append(value)
    return tuple(found)


def _words(fields: Fields, name: str) -> dict[str, str]:
    inner = fields.nested(name)
    made = {
        language: inner.plain(language, chars_max=WORDS_CHARS_MAX)
        for language in REPORT_LANGUAGES
        if inner.has(language)
    }
    inner.done()
    return made


def choose_profile(profiles: Mapping[str, ReportProfile], name: str, language: str) -> ReportProfile:
    """Raises `Malformed` that names the ones there are."""
    profile = profiles.get(name)
    if profile is None:
        raise Malformed("report", "profile", f"{name[:64]!a} is none of {', '.join(sorted(profiles))}")
    if language not in profile.languages:
        raise Malformed("report", "language", f"{language[:16]!a}: this profile is for {', '.join(profile.languages)}")
    return profile
