"""Words for people: every text of pages, reports and of `verify` in each language, and dates, amounts and names as each expects."""

from __future__ import annotations

from relay.words.language import LANGUAGES, Language, Words, negotiate, of_environment
from relay.words.speaker import Speaker, speaker

__all__ = ["LANGUAGES", "Language", "Speaker", "Words", "negotiate", "of_environment", "speaker"]
