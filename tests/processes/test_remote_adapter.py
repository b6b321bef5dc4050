"""`courtrelay adapter serve` as a process in front of a ledger node: the whole way through it, its death, and wrong configurations."""

from __future__ import annotations

import asyncio
import os
import signal
import tomllib
from pathlib import Path

import pytest

from adapters.remote.client import open_source
from adapters.remote.link import read_settings
from relay.app import desk
from relay.app.adapter_serve import run_adapter
from relay.app.demo.network import Network
from relay.app.initialise import IDENTITIES, LENDER_LEDGER, initialise
from relay.app.processes import RoleProcess
from relay.config.adapter import read_adapter
from relay.core.checkpoint import Checkpoint
from relay.core.errors import Malformed, Unavailable, Uncertain
from relay.ports.ledgers import AnchorSource
from relay.sample import generate
from tests.ledgers.remote_bench import settings
from tests.support.command import ROOT, courtrelay
from tests.support.frozen import settle
from tests.support.proxy import Proxy

LOANS = 2
PING_BYTES = 60
"""A keepalive ping within TLS; a call is more."""


class AdapterProcess(RoleProcess):
    """`courtrelay adapter serve` with one file."""

    def __init__(self, home: Path, config: Path) -> None:
        super().__init__("adapter", home, home / "adapter.jsonl", config)

    def _arguments(self) -> list[str]:
        return ["adapter", "serve", "--config", str(self._config)]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


def node_address(home: Path) -> str:
    """Where the lender's ledger node listens."""
    return (home / "lender-ledger/config.toml").read_text().split('address = "')[1].split('"')[0]


def write_config(home: Path, address: str = "127.0.0.1:0", node: str = "", **changes: str) -> Path:
    """An adapter in front of the lender's ledger node, which sees the custodian; `changes` replace lines by their key."""
    lines = {
        "identity": f'identity = "{IDENTITIES["lender-ledger"]}"',
        "listen": f'listen = "{address}"',
        "writers": f'writers = ["{IDENTITIES["custodian"]}"]',
        "tls": '[tls]\nca = "../lender-ledger/ca.pem"\ncertificate = "../lender-ledger/tls.pem"\nkey = "../lender-ledger/tls.key"',
        "crl": '[tls.crl]\n"courtrelay.example" = "../crl.pem"',
        "source": f'[source]\nfamily = "embedded"\nledger = "{LENDER_LEDGER}"\naddress = "{node or node_address(home)}"',
        "account": 'ca = "../custodian/ca.pem"\ncertificate = "../custodian/tls.pem"\nkey = "../custodian/tls.key"',
    }
    path = home / "adapter/config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join({**lines, **changes}.values()) + "\n")
    return path


def use_adapter(home: Path, role: str, port: int) -> None:
    """The role's ledger table of the lender's node becomes one of family `remote`."""
    path = home / role / "config.toml"
    old = f'family = "embedded"\nledger = "{LENDER_LEDGER}"\naddress = "{node_address(home)}"'
    new = f'family = "remote"\nkind = "quorum"\nledger = "{LENDER_LEDGER}"\naddress = "127.0.0.1:{port}"'
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


async def test_deposit_is_confirmed_through_an_adapter_that_is_killed_on_the_way(tmp_path: Path) -> None:
    """Custodian and relay know the lender's ledger only by the adapter; nothing is lost or doubled when it dies."""
    made = generate(tmp_path / "loans", LOANS, 5)
    home = initialise(tmp_path / "home", base_port=0, validators=4, threshold=3, anchor_interval_s=0.1).home
    adapter = AdapterProcess(home, write_config(home))
    network = Network(home)
    try:
        await adapter.start()  # before the node behind it
        write_config(home, adapter.address)  # where it comes back
        for role in ("custodian", "relay"):
            use_adapter(home, role, adapter.port)
        await network.start()
        first = await desk.deposit(home, tmp_path / "loans", lambda _done, _total: None, slice(0, 1))
        adapter.kill()
        assert await adapter.wait() == -9
        second = await desk.deposit(home, tmp_path / "loans", lambda _done, _total: None, slice(1, None))
        await adapter.start()
        status = await network.until(
            "everything is confirmed", lambda s: s["custodian"].get("confirmed") == made["records"]
        )
        indices = [i for report in (first, second) for stored in report.stored for i in stored.indices]
        assert sorted(indices) == list(range(made["records"]))
        assert status["relay"]["items quarantined"] == 0
        assert not any("HALTED" in name for name in status["relay"])
        assert await adapter.end() == 0  # its feeds are open, and it ends in order
    finally:
        await network.end()
        await adapter.end()


async def test_adapter_killed_in_the_middle_of_a_write_leaves_it_uncertain(tmp_path: Path) -> None:
    """Its node has the write and does not answer. Asked again, the adapter cannot be reached: then nothing can have happened."""
    home = initialise(tmp_path / "home", base_port=0, validators=4, threshold=3).home
    node, proxy = RoleProcess("lender-ledger", home), Proxy(int(node_address(home).rpartition(":")[2]))
    checkpoint = Checkpoint(origin="one.example/log", size=3, root=bytes(range(32)))
    await proxy.start()
    path = write_config(home, node=f"127.0.0.1:{proxy.port}")
    adapter = AdapterProcess(home, path)
    try:
        await node.start()
        await adapter.start()
        source = await open_source(settings(home, "custodian", adapter.port, LENDER_LEDGER))
        try:
            assert (await source.head()).height == 0
            os.kill(node.pid, signal.SIGSTOP)
            before = proxy.sent
            writing = asyncio.create_task(source.anchor(checkpoint))
            await settle(lambda: proxy.sent > before + PING_BYTES, "the node has the write")
            adapter.kill()
            with pytest.raises(Uncertain):
                await writing
            with pytest.raises(Unavailable):
                await source.anchor(checkpoint)
            os.kill(node.pid, signal.SIGCONT)
            write_config(home, adapter.address, node=f"127.0.0.1:{proxy.port}")
            await adapter.start()
            await settle(lambda: reachable(source), "the client finds the adapter again")
            anchor = await source.anchor(checkpoint)
            assert await source.find(checkpoint.origin, 3) == anchor
            assert (await source.head()).height == anchor.height == 1
        finally:
            await source.close()
    finally:
        if node.running:
            os.kill(node.pid, signal.SIGCONT)
        await adapter.end()
        await node.end()
        await proxy.end()


async def reachable(source: AnchorSource) -> bool:
    try:
        await source.head()
    except Unavailable:
        return False
    return True


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"listen": ""}, "listen: is missing"),
        ({"identity": 'identity = "spiffe://courtrelay.example/relay/relay"'}, "identity: must be the id of a ledger"),
        ({"identity": 'identity = "spiffe://courtrelay.example/ledger/other"'}, "is the certificate of"),
        ({"writers": "writers = []"}, "writers: must be a non-empty list"),
        ({"writers": 'writers = ["spiffe://courtrelay.example/operator/x"]'}, "writers: must hold ids of a custodian"),
        ({"writers": 'surprise = "x"'}, "surprise: is not a known key here"),
        ({"source": "", "account": ""}, "source: is missing, and so is court"),
        ({"source": '[source]\nfamily = "unheard"'}, "source.family: 'unheard' is not an installed ledger family"),
        ({"source": '[source]\nfamily = "remote"'}, "source.family: remote reaches an adapter and is no ledger"),
        ({"source": '[source]\nfamily = "embedded"\nledger = "x"'}, "source.address: must be given as a string"),
        ({"account": 'ca = "nowhere.pem"'}, "nowhere.pem: cannot be read"),
        ({"account": '[court]\nfamily = "remote"'}, "court.family: must be embedded as in [source]"),
        (
            {"account": '[court]\nfamily = "embedded"\nledger = "other"\naddress = "127.0.0.1:1"'},
            "court.ledger: is other, [source] is embedded:lender-1; run one adapter for each ledger",
        ),
    ],
)
async def test_wrong_configuration_ends_with_one_line_that_names_the_key(
    homes: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, str], said: str
) -> None:
    path = write_config(homes, **changes)
    with pytest.raises(Malformed) as refusal:
        await run_adapter(path)
    assert said in str(refusal.value)
    assert "adapter/config.toml" in str(refusal.value) or ".pem" in str(refusal.value)
    assert capsys.readouterr().out == ""


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose roles never run."""
    return initialise(tmp_path_factory.mktemp("adapter") / "home", base_port=0, validators=1, threshold=1).home


def test_command_says_what_is_wrong_and_ends_as_the_roles_do(homes: Path) -> None:
    ran = courtrelay("adapter", "serve", "--config", write_config(homes, listen='listen = "no address"'))
    assert (ran.code, ran.out) == (80, "")
    assert "cannot listen on no address" in ran.err
    ran = courtrelay("adapter", "serve", "--config", write_config(homes, listen="no address"))
    assert (ran.code, ran.out, ran.err.count("\n")) == (78, "", 1)
    ran = courtrelay("adapter", "serve", "--config", homes / "nowhere.toml")
    assert (ran.code, ran.err.count("\n")) == (78, 1)
    assert "cannot be read: No such file" in ran.err


def test_files_of_the_manual_are_read(tmp_path: Path) -> None:
    section = (
        (ROOT / "docs/operate/reference.md")
        .read_text()
        .split("## Adapters in processes of their own\n", 1)[1]
        .split("\n## ", 1)[0]
    )
    adapter, role = (block.split("```", 1)[0] for block in section.split("```toml\n")[1:])
    path = tmp_path / "adapter/config.toml"
    path.parent.mkdir()
    path.write_text(adapter)
    config = read_adapter(path)
    assert config.source is not None
    assert config.source.settings["ca"] == str(tmp_path / "custodian/ca.pem")
    assert config.writers == {str(IDENTITIES["custodian"])}
    (table,) = tomllib.loads(role)["sources"]
    known = read_settings({**table, "ca": "ca.pem", "certificate": "tls.pem", "key": "tls.key"})
    assert (known.ledger, known.kind) == (config.source.settings["ledger"], "quorum")
