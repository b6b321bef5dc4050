"""Running roles with `[http]`: their logs read from outside over mutual TLS, and the court's witness asked by a log."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp

from adapters.tlog.entries import read_entries
from adapters.tlog.fetch import HttpFetch
from adapters.tlog.tree import LogTiles
from relay.app.free_ports import free_port
from relay.app.trust import read_trust
from relay.config.roles import read_court, read_custodian, read_relay
from relay.core.addcheckpoint import format_add_checkpoint
from relay.core.checkpoint import parse_checkpoint, verify_checkpoint, verify_cosignatures
from relay.core.note import VerifierKey, parse_note
from relay.setup.signers import open_signer
from relay.wire.logs_http import origin_hash
from tests.support.command import all_confirmed, await_status, courtrelay, serving, write_folder
from tests.support.lines import small_dossier
from tests.support.ports import base_port
from tests.tlog.bench import opened

WITNESS = "court.example/tlog-witness"


def with_http(home: Path) -> dict[str, int]:
    """`[http]` for three roles, on free ports; a witness for the court."""
    assert courtrelay("key", "new", home / "court/keys/tlog-witness.pem").code == 0
    ports = {}
    for role in ("custodian", "relay", "court"):
        ports[role] = free_port()
        path = home / role / "config.toml"
        more = f'\n[http]\nlisten = "127.0.0.1:{ports[role]}"\n' + ("custody = true\n" if role != "relay" else "")
        if role == "court":
            more += f'\n[http.witness]\nname = "{WITNESS}"\nkey = "keys/tlog-witness.pem"\n'
        path.write_text(path.read_text() + more)
    return ports


async def asked(home: Path, port: int, body: bytes) -> tuple[int, bytes]:
    """POST add-checkpoint as the relay's certificate."""
    tls = read_relay(home / "relay/config.toml").common.tls
    context = ssl.create_default_context(cafile=str(tls.ca))
    context.load_cert_chain(str(tls.certificate), str(tls.key))
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"https://127.0.0.1:{port}/add-checkpoint", data=body, ssl=context) as answer,
    ):
        return answer.status, await answer.read()


async def look(home: Path, tmp_path: Path, ports: dict[str, int]) -> None:
    trust = read_trust(home / "trust.json")
    tls = read_relay(home / "relay/config.toml").common.tls
    files = (tls.ca, tls.certificate, tls.key)
    lender, court = read_custodian(home / "custodian/config.toml"), read_court(home / "court/config.toml")
    log = next(VerifierKey.ed25519(k.name, k.public_key) for k in trust.pinned_keys if k.use == "log")
    mirror = next(VerifierKey.cosigner(k.name, k.public_key) for k in trust.pinned_keys if k.use == "witness")
    own = {"tls": "own", "ca": str(tls.ca), "certificate": str(tls.certificate), "key": str(tls.key)}
    pinned = {"origin": lender.origin, "log_key": log.format(), "witnesses": [mirror.format()], "threshold": 2}
    for role in ("relay", "court"):
        url = f"https://127.0.0.1:{ports[role]}/{origin_hash(lender.origin)}"
        async with opened(url, tmp_path / role, **pinned, **own) as source:
            assert (await source.head()).height == 1
            anchor = await source.find(lender.origin, 2)
            assert anchor is not None
    for origin in (lender.origin, lender.custody_origin):
        fetch = HttpFetch(f"https://127.0.0.1:{ports['custodian']}/{origin_hash(origin)}", files)
        key = next(k.public_key for k in trust.pinned_keys if k.name == origin and k.use in ("log", "custody"))
        note = await fetch.get("checkpoint", 65_536)
        checkpoint = verify_checkpoint(note, VerifierKey.ed25519(origin, key))
        parts = [part async for part in read_entries(LogTiles(fetch), checkpoint, 0, checkpoint.size)]
        assert sum(map(len, parts)) == checkpoint.size > 0
        await fetch.close()
        status, line = await asked(home, ports["court"], format_add_checkpoint(0, (), note))
        assert status == 200, line
        witness = open_signer(court.common.http.witness.key)  # type: ignore[union-attr]
        signed = verify_cosignatures(parse_note(note + line), [VerifierKey.cosigner(WITNESS, witness.public_key)])
        assert [k.name for k, _ in signed] == [WITNESS]
        again = await asked(home, ports["court"], format_add_checkpoint(0, (), note))
        assert again == (409, f"{parse_checkpoint(note)[0].size}\n".encode())


def test_logs_of_running_roles_are_read_and_witnessed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert courtrelay("init", home, "--base-port", base_port()).code == 0
    ports = with_http(home)
    lines = [{"dossier": "LOAN-1", **line, "payloads": []} for line, _ in small_dossier(2)]
    with serving(home):
        assert courtrelay("deposit", write_folder(tmp_path / "loan", lines), "--home", home).code == 0
        await_status(home, "confirmed", all_confirmed(2))
        asyncio.run(look(home, tmp_path, ports))
