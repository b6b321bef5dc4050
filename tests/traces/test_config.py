"""The table `[trace]`: one spelling, bounds, and nothing secret in the file itself."""

from __future__ import annotations

import sys
import tomllib
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from relay.app.tracing import open_tracing
from relay.config.strict import Table
from relay.config.trace import read_trace
from relay.core.errors import Malformed
from relay.telemetry.trace import now_ns

GOOD = 'endpoint = "https://collector.example:4318/v1/traces"\n'


def read(text: str, folder: Path) -> object:
    return read_trace(Table(tomllib.loads(text), file=folder / "config.toml", path="trace"))


@pytest.mark.parametrize(
    "endpoint",
    ["https://collector.example/v1/traces", "http://127.0.0.1:4318/v1/traces", "http://[::1]:4318/v1/traces"],
)
def test_endpoint_is_https_or_on_the_loopback(endpoint: str, tmp_path: Path) -> None:
    config = read_trace(Table({"endpoint": endpoint}, file=tmp_path / "config.toml"))
    assert (config.endpoint, config.sample, config.headers, config.ca) == (endpoint, 1.0, {}, None)


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("http://collector.example/v1/traces", "loopback alone"),
        ("http://localhost:4318/v1/traces", "loopback alone"),
        ("http://127.0.0.1.evil.example/v1/traces", "loopback alone"),
        ("https://user:pw@collector.example/v1/traces", "no user"),
        ("https://collector.example/v1/traces?key=1", "no user"),
        ("https://collector.example/v1/traces#x", "no user"),
        ("https://collector.example", "such as"),
        ("https://collector.example/", "such as"),
        ("collector.example:4318/v1/traces", "such as"),
        ("ftp://collector.example/v1/traces", "such as"),
        ("https:///v1/traces", "such as"),
        ("https://collector.example:99999/v1/traces", "is no address"),
        ("https://collector.example/v1/ traces", "without spaces"),
        ("https://collector.example/" + "x" * 500, "at most 500"),
    ],
)
def test_other_endpoints_are_refused(endpoint: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=reason) as refused:
        read_trace(Table({"endpoint": endpoint}, file=tmp_path / "config.toml", path="trace"))
    assert refused.value.field == "trace.endpoint"


@pytest.mark.parametrize("sample", ["-0.1", "1.1", "true", '"0.5"', "nan"])
def test_share_is_a_number_from_0_to_1(sample: str, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="number from 0 to 1"):
        read(GOOD + f"sample = {sample}", tmp_path)


def test_headers_come_by_reference_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("Bearer abc\n")
    (tmp_path / "secret").chmod(0o600)
    monkeypatch.setenv("TENANT", "court-1")
    text = GOOD + '[headers]\nauthorization = "file:secret"\nx-tenant = "env:TENANT"\n'
    config = read_trace(Table(tomllib.loads(text), file=tmp_path / "config.toml", path="trace"))
    assert config.headers == {"authorization": "Bearer abc", "x-tenant": "court-1"}
    with pytest.raises(Malformed, match="does not stand here"):
        read(GOOD + '[headers]\nauthorization = "Bearer abc"\n', tmp_path)


@pytest.mark.parametrize("name", ["Authorization", "content-type", "host", "x y", "", "x" * 65, "x_y"])
def test_header_that_cannot_be_set_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALUE", "v")
    with pytest.raises(Malformed, match="header"):
        read(GOOD + f'[headers]\n"{name}" = "env:VALUE"\n', tmp_path)


@pytest.mark.parametrize("value", ["a\nb: c", "é", "x" * 4097])
def test_header_value_that_would_begin_another_is_refused(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VALUE", value)
    with pytest.raises(Malformed, match="visible ASCII"):
        read(GOOD + '[headers]\nx-a = "env:VALUE"\n', tmp_path)


def test_what_is_not_known_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Malformed, match="not a known key"):
        read(GOOD + "samples = 1", tmp_path)
    with pytest.raises(Malformed, match="https"):
        read('endpoint = "http://127.0.0.1:1/v1/traces"\nca = "ca.pem"', tmp_path)
    monkeypatch.setenv("VALUE", "v")
    with pytest.raises(Malformed, match="17 headers"):
        read(GOOD + "[headers]\n" + "".join(f'h{n} = "env:VALUE"\n' for n in range(17)), tmp_path)


async def test_without_the_extra_the_table_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "relay.app.otlp", None)
    common = cast(Any, SimpleNamespace(trace=object(), identity="x"))
    async with AsyncExitStack() as stack:
        with pytest.raises(Malformed, match=r"needs the extra courtrelay\[otel\]"):
            await open_tracing(stack, "relay", common)
        await open_tracing(stack, "relay", cast(Any, SimpleNamespace(trace=None)))
        assert now_ns() == 0, "without the table nothing is recorded"
