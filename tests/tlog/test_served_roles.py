"""What each role serves with `[http]`, from its real stores, and which settings are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.tlog.entries import read_entries
from adapters.tlog.fetch import HttpFetch
from adapters.tlog.tree import LogTiles
from relay.app.free_ports import free_port
from relay.app.http import open_court_http, open_custodian_http, open_relay_http
from relay.app.trust import read_trust
from relay.config.http import HttpConfig, WitnessConfig
from relay.config.roles import read_court, read_custodian, read_relay
from relay.core.checkpoint import verify_checkpoint
from relay.core.errors import Malformed, NotFound
from relay.core.note import VerifierKey
from relay.setup.keys import make_signing_key
from relay.setup.signers import parse_key_reference
from relay.wire.logs_http import origin_hash
from tests.support.bundles import make_home, noon_of
from tests.support.lines import small_dossier
from tests.support.way import Way, open_way
from tests.tlog.bench import first_blocks, opened


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    home = make_home(tmp_path / "home")
    async with open_way(home, now_ms=noon_of(home), seed="http") as opened:
        await opened.deposit("loan 1", small_dossier())
        await opened.forward()
        yield opened


def with_http(config: Any, port: int, witness: WitnessConfig | None = None) -> Any:
    http = HttpConfig(listen=f"127.0.0.1:{port}", mutual=False, custody=True, witness=witness)
    return replace(config, common=replace(config.common, http=http))


Open = Callable[[Way, AsyncExitStack, int], Awaitable[None]]


async def _relay(way: Way, stack: AsyncExitStack, port: int) -> None:
    await open_relay_http(stack, with_http(read_relay(way.home / "relay/config.toml"), port), way.relay_store)


async def _court(way: Way, stack: AsyncExitStack, port: int) -> None:
    config = with_http(read_court(way.home / "court/config.toml"), port)
    await open_court_http(stack, config, way.court_store, read_trust(way.home / "trust.json"))


async def _custodian(way: Way, stack: AsyncExitStack, port: int) -> None:
    config = with_http(read_custodian(way.home / "custodian/config.toml"), port)
    await open_custodian_http(stack, config, way.custodian_store)


@pytest.mark.parametrize("role", [_relay, _court])
async def test_mirror_of_a_role_is_read_by_the_family_with_the_courts_cosignature(
    way: Way, tmp_path: Path, role: Open
) -> None:
    trust, port = read_trust(way.home / "trust.json"), free_port()
    log = next(key for key in trust.pinned_keys if key.use == "log")
    witness = next(key for key in trust.pinned_keys if key.use == "witness")
    changes = {
        "origin": way.origin,
        "log_key": VerifierKey.ed25519(log.name, log.public_key).format(),
        "witnesses": [VerifierKey.cosigner(witness.name, witness.public_key).format()],
        "threshold": 2,
    }
    size = way.custodian_store.size
    async with AsyncExitStack() as stack:
        await role(way, stack, port)
        url = f"http://127.0.0.1:{port}/{origin_hash(way.origin)}"
        async with opened(url, tmp_path / "data", **changes) as source:
            source._follower._now_s = lambda: way.clock.ms // 1000
            (block,) = await first_blocks(source, 1)
        assert (block.anchors[0].size, block.anchors[0].root) == (size, way.custodian_store.files.root(size))
        assert block.time_ms == way.clock.ms


@pytest.mark.parametrize("role", [_custodian, _court])
async def test_logs_that_a_role_writes_itself_are_read_and_bear_out_their_checkpoint(way: Way, role: Open) -> None:
    """The custodian's two logs and the court's custody log, every entry of them."""
    await way.custody.note("refuse", {}, "denied", "a test")
    trust, port = read_trust(way.home / "trust.json"), free_port()
    lender, court = read_custodian(way.home / "custodian/config.toml"), read_court(way.home / "court/config.toml")
    origins = [lender.origin, lender.custody_origin] if role is _custodian else [court.custody_origin]
    async with AsyncExitStack() as stack:
        await role(way, stack, port)
        for origin in origins:
            fetch = HttpFetch(f"http://127.0.0.1:{port}/{origin_hash(origin)}")
            stack.push_async_callback(fetch.close)
            key = next(k for k in trust.pinned_keys if k.name == origin and k.use in ("log", "custody"))
            note = await fetch.get("checkpoint", 65_536)
            checkpoint = verify_checkpoint(note, VerifierKey.ed25519(origin, key.public_key))
            assert checkpoint.size
            count = 0
            async for part in read_entries(LogTiles(fetch), checkpoint, 0, checkpoint.size):
                count += len(part)
            assert count == checkpoint.size
        other = HttpFetch(f"http://127.0.0.1:{port}/{origin_hash('other.example/log')}")
        stack.push_async_callback(other.close)
        with pytest.raises(NotFound):
            await other.get("checkpoint", 65_536)


async def test_witness_of_the_mirrors_name_or_key_is_refused(way: Way) -> None:
    court, trust = read_court(way.home / "court/config.toml"), read_trust(way.home / "trust.json")
    make_signing_key(way.home / "court/keys/w.pem")
    own = parse_key_reference("court/keys/w.pem", way.home)
    for witness in (
        WitnessConfig(name=court.witness_name, key=own),
        WitnessConfig(name="court.example/tlog-witness", key=court.witness_key),
    ):
        async with AsyncExitStack() as stack:
            with pytest.raises(Malformed, match=r"http\.witness"):
                await open_court_http(stack, with_http(court, 0, witness), way.court_store, trust)


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        (['listen = "127.0.0.1"'], "http.listen"),
        (['listen = "127.0.0.1:99999"'], "http.listen"),
        (['listen = "0.0.0.0:8080"', 'tls = "none"'], "http.tls"),
        (['listen = "log.example:8080"', 'tls = "none"'], "http.tls"),
        (['listen = "127.0.0.1:0"', 'tls = "maybe"'], "http.tls"),
        (['listen = "127.0.0.1:0"', 'custody = "yes"'], "http.custody"),
        (['listen = "127.0.0.1:0"', "surprise = 1"], "http.surprise"),
        (["custody = true"], "http.listen"),
        (['listen = "127.0.0.1:0"', "[http.witness]", 'name = "w"'], "http.witness.key"),
    ],
)
def test_wrong_http_settings_name_the_key(tmp_path: Path, lines: list[str], word: str) -> None:
    home = make_home(tmp_path / "home")
    path = home / "court/config.toml"
    assert read_court(path).common.http is None
    path.write_text(path.read_text() + "\n[http]\n" + "\n".join(lines) + "\n")
    with pytest.raises(Malformed, match=word):
        read_court(path)
