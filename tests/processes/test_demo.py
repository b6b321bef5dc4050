"""The story that a newcomer runs first ends well, and every one of its claims is checked by itself."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import courtrelay


def test_demo_tells_its_story_to_the_end(tmp_path: Path) -> None:
    ran = courtrelay("demo", "--dir", tmp_path / "story", "--loans", "4")
    assert ran.code == 0, ran.out + ran.err
    assert "FAILED" not in ran.out
    assert ran.out.count("     ok: ") >= 9
