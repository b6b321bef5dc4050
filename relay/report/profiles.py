"""Report profiles: the package's, or a file of the court's own."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from relay.core.errors import Malformed
from relay.core.report_profile import PROFILE_BYTES_MAX, ReportProfile, parse_profiles


def read_profiles(path: Path | None) -> dict[str, ReportProfile]:
    """By name. A court's own file replaces the package's. Raises `Malformed`."""
    if path is None:
        return parse_profiles(files("relay.report").joinpath("profiles.v1.json").read_bytes())
    try:
        with path.open("rb") as file:
            return parse_profiles(file.read(PROFILE_BYTES_MAX + 1), what=str(path))
    except OSError as error:
        raise Malformed(str(path), "", f"cannot be read: {error.strerror}") from None
