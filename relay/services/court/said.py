"""Text: what a service has to tell people, to be said in their language by whoever shows it (docs/words.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Text:
    """A template of the catalogues and what stands in its places: `speaker.text(text.template, **text.values)`."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
