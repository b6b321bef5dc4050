"""Checks of what is around a role: its ports, its peers and their clocks, its ledgers' nodes, a shared database."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from relay.app.adapters import court_opener, load_adapter
from relay.app.doctor.findings import Findings
from relay.app.doctor.subject import Ledger, Peer, Subject
from relay.app.runtime import SystemClock
from relay.config.roles import SharedStore
from relay.core.errors import Denied, RelayError
from relay.ports.ledgers import AdapterFamily
from relay.telemetry.clocks import peer_clock
from relay.transport.broker import BrokerSettings, connected
from relay.transport.channels import channel
from relay.transport.credentials import TlsFiles
from relay.transport.health import PeerHealth
from relay.transport.ports import holder, why_taken

WITHIN_S: Final = 3.0
"""What one step of a check may take."""
_OWN_FOLDER: Final = frozenset({"tlog"})
"""Families whose adapter writes where it looks: their settings are read, and nothing is opened."""


def check_ports(subject: Subject, running: int | None, findings: Findings) -> None:
    """Every address that the role listens on is free, or its own. `running`: the role's process, 0 when its id is not known."""
    for key, listen in subject.listens:
        why = why_taken(listen)
        port = listen.rpartition(":")[2]
        held = holder(int(port)) if why and port.isdecimal() else None
        if not why:
            findings.ok("port", f"{key} {listen}", "free")
        elif held is not None and held[0] == running:
            findings.ok("port", f"{key} {listen}", f"held by the role itself, {held[1]}")
        elif held is None and running is not None:
            findings.ok(
                "port",
                f"{key} {listen}",
                "in use, as it must be while the role runs; by whom is not to be seen from here",
            )
        else:
            findings.problem("port", f"{key} {listen}", f"{why}; end that process or choose another address")


async def check_peers(subject: Subject, findings: Findings) -> None:
    """All peers, side by side."""
    await asyncio.gather(*(_peer(peer, subject.tls, findings) for peer in subject.peers))


async def _peer(peer: Peer, tls: TlsFiles, findings: Findings) -> None:
    """TCP, TLS, gRPC's health, and the clock. The first step that fails is told, for the others rest on it."""
    where = f"{peer.name} {peer.address}"
    if why := await _tcp(peer.address):
        findings.problem("peer", where, f"{why}; does it run, is the address right, does a firewall let us through?")
        return
    try:
        if why := await _tls(peer.address, tls):
            findings.problem("peer", where, why)
            return
        async with channel(peer.address, tls) as opened:
            health = PeerHealth(opened, now_ms=SystemClock().now_ms, monotonic=time.monotonic)
            serving = await health.ask()
    except (RelayError, OSError) as error:
        findings.problem(
            "peer", where, f"TLS is well, but gRPC gives no answer: {error}; is this a courtrelay {peer.name}?"
        )
        return
    if serving:
        findings.ok("peer", where, "serving")
    else:
        findings.warning("peer", where, "answers that it is not ready; look at its own health")
    if health.offset_s is None:
        return
    if apart := peer_clock(peer.name, health.offset_s, health.unsure_s):
        findings.problem("clock", where, apart)
    else:
        findings.ok("clock", where, f"{abs(health.offset_s):.1f} s apart")


async def _tcp(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return "is no <address>:<port>"
    try:
        async with asyncio.timeout(WITHIN_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except TimeoutError:
        return f"no answer within {WITHIN_S:.0f} s"
    except socket.gaierror as error:
        return f"the name {host} is not known ({error.strerror})"
    except (OSError, UnicodeError, OverflowError) as error:
        number = getattr(error, "errno", None)
        return f"cannot be connected to ({os.strerror(number) if number else error})"
    await _close(writer)
    return ""


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError, TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(WITHIN_S):
            await writer.wait_closed()


async def _tls(address: str, tls: TlsFiles) -> str:
    """Why no connection with both certificates comes about; a certificate that has not begun is told as a matter of clocks."""
    host, _, port = address.rpartition(":")
    tls.read()
    context = ssl.create_default_context(cafile=str(tls.ca))
    context.set_alpn_protocols(["h2"])
    try:
        context.load_cert_chain(str(tls.certificate), str(tls.key))
        async with asyncio.timeout(WITHIN_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=context)
    except TimeoutError:
        return f"gives no answer to TLS within {WITHIN_S:.0f} s; is it a role's port?"
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _NOT_YET:
            return "its certificate is not valid yet by the clock here: one of the two clocks is wrong; set it (`timedatectl`)"
        return f"its certificate is refused here: {error.verify_message}; see its file and our `ca`"
    except (ssl.SSLError, OSError) as error:
        return f"refuses TLS ({getattr(error, 'reason', None) or error}); does it take our authority's certificates?"
    await _close(writer)
    return ""


_NOT_YET: Final = 9
"""X509_V_ERR_CERT_NOT_YET_VALID."""


async def check_broker(settings: BrokerSettings | None, findings: Findings) -> None:
    """The broker takes our name and password or certificate. Under a client id of its own: the role's connection stays."""
    if settings is None:
        return
    where = f"mqtt.url {settings.host}:{settings.port}"
    try:
        async with asyncio.timeout(WITHIN_S), connected(settings, f"courtrelay-doctor-{secrets.token_hex(6)}"):
            pass
    except TimeoutError:
        findings.problem("broker", where, f"no answer within {WITHIN_S:.0f} s; is it a broker's port?")
    except Denied as error:
        findings.problem("broker", where, f"{error.reason}; look at its password and access lists, and at [mqtt]")
    except (RelayError, OSError) as error:
        findings.problem("broker", where, f"{error}; does it run, is the address right, are the certificates?")
    else:
        findings.ok("broker", where, f"takes us, MQTT {settings.version}")


async def check_ledgers(subject: Subject, findings: Findings) -> None:
    """The nodes of all ledgers, side by side."""
    await asyncio.gather(*(_ledger(ledger, findings) for ledger in subject.ledgers))


async def _ledger(ledger: Ledger, findings: Findings) -> None:
    settings = ledger.config.settings
    where = f"{ledger.table} {settings.get('ledger', '')}"
    if ledger.config.family in _OWN_FOLDER:
        _settings(ledger, where, findings)
        return
    try:
        if why := await _reached(ledger):
            findings.problem("ledger", where, f"{why}; does its node run, is the address right?")
            return
        async with asyncio.timeout(2 * WITHIN_S):
            told = await _ask(load_adapter(ledger.config.family), ledger)
    except TimeoutError:
        findings.problem(
            "ledger", where, f"no answer within {2 * WITHIN_S:.0f} s; does its node run, is the address right?"
        )
    except (RelayError, OSError) as error:
        findings.refused("ledger", where, error)
    else:
        findings.ok("ledger", where, told)


async def _reached(ledger: Ledger) -> str:
    """Why the node of a family that is one gRPC server is not reached; what other families are told by themselves."""
    values = ledger.config.settings
    address, *files = (str(values.get(key, "")) for key in ("address", "ca", "certificate", "key"))
    if not address or not all(files):
        return ""
    ca, certificate, key = map(Path, files)
    why = await _tcp(address) or await _tls(address, TlsFiles(ca=ca, certificate=certificate, key=key))
    return f"{address} {why}" if why else ""


async def _ask(family: AdapterFamily, ledger: Ledger) -> str:
    """What the node says: its head, and for a court's ledger the last checkpoint. Either refuses a node of another ledger or chain."""
    told = []
    if not ledger.court or family.name in _HEADS:
        source = await family.open_source(ledger.config.settings)
        try:
            head = await source.head()
            told.append(f"block {head.height}, final {head.final_height}")
        finally:
            await source.close()
    if ledger.court:
        registry = await court_opener(family)(ledger.config.settings)
        try:
            last = await registry.latest(ledger.origin) if ledger.origin else None
            told.append(f"last checkpoint of size {last.size}" if last else "no checkpoint yet")
        finally:
            await registry.close()
    return ", ".join(told)


_HEADS: Final = frozenset({"embedded"})
"""Families whose court's ledger tells a head as a lender's does."""


def _settings(ledger: Ledger, where: str, findings: Findings) -> None:
    from adapters.tlog.config import read_config

    try:
        config = read_config(ledger.config.settings)
    except RelayError as error:
        findings.refused("ledger", where, error)
        return
    findings.ok(
        "ledger", where, f"settings are well; {config.url} is read when the role runs, for that writes in {config.data}"
    )


async def check_shared(shared: SharedStore | None, findings: Findings) -> None:
    """A database that several workers share: reachable, the primary, with settings that lose nothing."""
    if shared is None:
        return
    try:
        from relay.store.postgres.looking import look_at_server
    except ImportError as error:
        findings.problem("store", "store.family", f"postgresql needs the extra courtrelay[postgres] ({error})")
        return
    try:
        async with asyncio.timeout(2 * WITHIN_S):
            looked = await look_at_server(shared.url)
    except TimeoutError:
        findings.problem("store", "store.url", f"no answer within {2 * WITHIN_S:.0f} s")
    except (RelayError, OSError) as error:
        findings.refused("store", "store.url", error)
    else:
        if looked.version == looked.newest:
            findings.ok("store", looked.name, f"version {looked.version}; the primary, its settings lose nothing")
        else:
            findings.warning(
                "store", looked.name, f"is of schema {looked.version}; the start brings it to {looked.newest}"
            )
