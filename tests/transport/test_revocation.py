"""Revocation lists in front of every call: what is revoked is out, what cannot be known is out, an older list changes nothing."""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime
import logging
import multiprocessing
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from relay.app.lists import ListsUsed
from relay.core.errors import Conflict, Denied, Malformed
from relay.core.identity import Role
from relay.setup.ca import make_authority, renew_list, revoke, write_list
from relay.transport import gate, revocation
from relay.transport.channels import call, channel
from relay.transport.credentials import TlsFiles
from relay.transport.peer import read_peer
from relay.transport.revocation import RevocationLists, parse_list
from relay.transport.servers import serving
from tests.support.echo import GATHER, METHODS, NOW, TALK, Echo, ask, issued, say, sending, streamed, tls

DOMAIN = "a.example"
DAY = datetime.timedelta(days=1)
MADE = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


@pytest.fixture
def listed(authority: Path, tmp_path: Path) -> TlsFiles:
    """A server's files with an empty list."""
    write_list(authority, tmp_path / "crl.pem", NOW, (), 1)
    return replace(issued(authority, tmp_path / "server", Role.RELAY), crl={DOMAIN: tmp_path / "crl.pem"})


def guarded(files: TlsFiles, echo: Echo, **options: Any) -> Any:
    allow = {method: frozenset({Role.OPERATOR}) for method in METHODS}
    return serving([echo.register], address="127.0.0.1:0", tls=files, allow=allow, **options)


async def until_denied(attempt: Callable[[], Awaitable[Any]]) -> None:
    """A list is taken in within moments."""
    async with asyncio.timeout(30):
        while True:
            try:
                await attempt()
            except Denied:
                return
            await asyncio.sleep(0.05)


async def test_revoked_caller_is_out_on_its_next_call_and_in_its_open_streams(
    authority: Path, tmp_path: Path, listed: TlsFiles
) -> None:
    """On the connection it has; others stay."""
    echo = Echo()
    bad, good = (
        issued(authority, tmp_path / "bad", Role.OPERATOR),
        issued(authority, tmp_path / "good", Role.OPERATOR, "y"),
    )
    async with guarded(listed, echo, long_lived=frozenset({TALK})) as port, asyncio.timeout(60):
        target = f"127.0.0.1:{port}"
        async with channel(target, bad) as opened, channel(target, good) as other:

            async def feed(of: Any) -> None:
                async for _ in streamed(of, TALK, [b"a"], timeout=None, held=True):
                    echo.begun.set()

            async def upload() -> None:
                async with sending([b"a"], held=True) as requests:
                    await call(opened.stream_unary(GATHER)(requests, timeout=3000))

            echo.begun = asyncio.Event()  # type: ignore[attr-defined]
            tasks = [asyncio.create_task(work) for work in (feed(opened), upload())]
            await echo.begun.wait()  # type: ignore[attr-defined]
            kept = asyncio.create_task(feed(other))
            assert await say(opened) == b"hello"
            revoke(authority, tmp_path / "crl.pem", tmp_path / "bad/tls.pem", NOW)
            await until_denied(lambda: say(opened))
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Denied, Denied]
            with pytest.raises(Denied, match=r"^not permitted$"):
                await ask(target, bad)
            assert await say(other) == b"hello"
            assert not kept.done()
            kept.cancel()


def test_a_certificate_keeps_the_time_of_its_revocation_however_often_the_list_is_made_anew(
    authority: Path, tmp_path: Path, listed: TlsFiles
) -> None:
    path, later = listed.crl[DOMAIN], NOW + DAY
    first, second = (issued(authority, tmp_path / name, Role.OPERATOR, name).certificate for name in ("a", "b"))
    revoke(authority, path, first, NOW)
    revoke(authority, path, second, later)
    assert renew_list(authority, path, later + DAY, days=30) == 2
    held = {entry.serial_number: entry.revocation_date_utc for entry in x509.load_pem_x509_crl(path.read_bytes())}
    numbers = [x509.load_pem_x509_certificate(one.read_bytes()).serial_number for one in (first, second)]
    assert held == dict(zip(numbers, (NOW.replace(microsecond=0), later.replace(microsecond=0)), strict=True))


def test_a_certificate_of_another_authority_is_not_taken_for_revoked(
    authority: Path, tmp_path: Path, listed: TlsFiles
) -> None:
    path, before = listed.crl[DOMAIN], listed.crl[DOMAIN].read_bytes()
    (tmp_path / "other").mkdir()
    make_authority(tmp_path / "other", DOMAIN, NOW)  # of the same name, with another key
    strange = issued(tmp_path / "other", tmp_path / "strange", Role.OPERATOR).certificate
    with pytest.raises(Malformed, match="was not issued by the authority"):
        revoke(authority, path, strange, NOW)
    assert path.read_bytes() == before


def test_open_calls_are_looked_at_well_within_a_minute() -> None:
    assert gate.LOOK_AGAIN_S + revocation.LOOK_EVERY_S < 60


def lists_with(files: TlsFiles) -> RevocationLists:
    return RevocationLists.open(files)


def peer_of(files: TlsFiles) -> Any:
    return read_peer(files.certificate.read_bytes())


def test_list_that_has_run_out_lets_nobody_in(
    authority: Path, tmp_path: Path, listed: TlsFiles, monkeypatch: Any
) -> None:
    """It did stand when the server began."""
    lists = lists_with(listed)
    peer = peer_of(issued(authority, tmp_path / "o", Role.OPERATOR))
    lists.check(peer)
    held = lists._lists[DOMAIN]
    lists._lists[DOMAIN] = replace(held, next_due=NOW - DAY)
    with pytest.raises(Denied, match="has run out"):
        lists.check(peer)


def test_trust_domain_without_a_list_is_out_where_lists_are_kept(
    authority: Path, tmp_path: Path, listed: TlsFiles
) -> None:
    lists = lists_with(replace(listed, crl={"b.example": listed.crl[DOMAIN]}))
    with pytest.raises(Denied, match="no revocation list of this trust domain"):
        lists.check(peer_of(issued(authority, tmp_path / "o", Role.OPERATOR)))


def test_authority_of_one_trust_domain_speaks_for_no_other(authority: Path, tmp_path: Path, listed: TlsFiles) -> None:
    """Two authorities in one file: each may sign certificates, none for the other's domain."""
    other = tmp_path / "other"
    other.mkdir()
    make_authority(other, "b.example", NOW)
    both = tmp_path / "both.pem"
    both.write_bytes((authority / "ca.pem").read_bytes() + (other / "ca.pem").read_bytes())
    lists = lists_with(replace(listed, ca=both))
    lists.check(peer_of(issued(authority, tmp_path / "o", Role.OPERATOR)))
    with pytest.raises(Denied, match=r"not of the authority that speaks for a\.example"):
        lists.check(peer_of(issued(other, tmp_path / "p", Role.OPERATOR)))


def put(path: Path, data: bytes) -> None:
    new = path.with_name("new")
    new.write_bytes(data)
    new.replace(path)


def test_older_list_is_refused_and_the_newer_stays(authority: Path, tmp_path: Path, listed: TlsFiles) -> None:
    path, files = listed.crl[DOMAIN], issued(authority, tmp_path / "o", Role.OPERATOR)
    before = path.read_bytes()
    lists = lists_with(listed)
    revoke(authority, path, files.certificate, NOW)
    assert lists.read(DOMAIN)
    assert not lists.read(DOMAIN)
    put(path, before)
    with pytest.raises(Malformed, match=r"is list 1 of .*, older than 2"):
        lists.read(DOMAIN)
    with pytest.raises(Denied, match="is revoked"):
        lists.check(peer_of(files))


def test_older_list_is_refused_after_a_restart_too(authority: Path, tmp_path: Path, listed: TlsFiles) -> None:
    """Put in the newer one's place while the role was down: nobody who was revoked comes back with it."""
    path, files = listed.crl[DOMAIN], issued(authority, tmp_path / "o", Role.OPERATOR)
    before = path.read_bytes()
    RevocationLists.open(listed, ListsUsed(tmp_path))
    revoke(authority, path, files.certificate, NOW)
    newer = path.read_bytes()
    RevocationLists.open(listed, ListsUsed(tmp_path))
    put(path, before)
    with pytest.raises(Malformed, match=r"is list 1 of .*, older than 2 of .*, which was in use here"):
        RevocationLists.open(listed, ListsUsed(tmp_path))
    put(path, newer)
    again = RevocationLists.open(listed, ListsUsed(tmp_path))
    with pytest.raises(Denied, match="is revoked"):
        again.check(peer_of(files))


def _keeps(folder: str, domain: str) -> None:
    used = ListsUsed(Path(folder))
    for number in range(1, 101):
        used.keep(domain, number, MADE)


def test_workers_that_share_a_folder_keep_their_lists_at_the_same_time(tmp_path: Path) -> None:
    """Several workers of one relay start together: none ends because another replaced the file, and nothing is lost."""
    domains = [f"d{number}.example" for number in range(4)]
    with concurrent.futures.ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as workers:
        list(workers.map(_keeps, [str(tmp_path)] * 4, domains))
    assert [ListsUsed(tmp_path).newest(domain) for domain in domains] == [(100, MADE)] * 4


def test_worker_that_read_earlier_does_not_take_a_newer_list_back(tmp_path: Path) -> None:
    data = tmp_path / "data"  # which a relay on PostgreSQL begins without
    slow = ListsUsed(data)
    ListsUsed(data).keep(DOMAIN, 7, MADE)
    slow.keep(DOMAIN, 6, MADE)
    assert ListsUsed(data).newest(DOMAIN) == slow.newest(DOMAIN) == (7, MADE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"format":"courtrelay-lists-used/v1","lists":[{"domain":"a.example","made_s":1,"number":"01"}]}',
        b'{"format":"courtrelay-lists-used/v1","lists":[{"domain":"a.example","made_s":1}]}',
        b'{"format":"courtrelay-lists-used/v1","lists":[{"domain":"a.example","made_s":1,"number":"-1"}]}',
        b'{"format":"courtrelay-lists-used/v1","lists":[{"domain":"a.example","made_s":9007199254740991,"number":"1"}]}',
    ],
)
def test_memory_that_is_damaged_ends_the_start(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "lists-used.json").write_bytes(data)
    with pytest.raises(Malformed, match=r"lists-used\.json"):
        ListsUsed(tmp_path)


@pytest.mark.parametrize(
    "data", [b"", b"-----BEGIN X509 CRL-----\n", b"\xff" * 100, b"A" * (revocation.LIST_BYTES_MAX + 9)]
)
def test_broken_list_changes_nothing_and_is_told_once(
    authority: Path, tmp_path: Path, listed: TlsFiles, data: bytes
) -> None:
    path, peer = listed.crl[DOMAIN], peer_of(issued(authority, tmp_path / "o", Role.OPERATOR))
    lists = lists_with(listed)
    put(path, data)
    with pytest.raises(Malformed, match=r"crl\.pem"):
        lists.read(DOMAIN)
    lists.check(peer)
    path.unlink()
    with pytest.raises(Malformed, match="cannot be read"):
        lists.read(DOMAIN)
    lists.check(peer)
    with pytest.raises(Malformed, match="cannot be read"):
        lists_with(listed)


async def test_watch_goes_on_after_a_broken_list_and_says_so_once(
    authority: Path, tmp_path: Path, listed: TlsFiles, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(revocation, "LOOK_EVERY_S", 0.01)
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    path, whole = listed.crl[DOMAIN], listed.crl[DOMAIN].read_bytes()
    async with guarded(listed, Echo()) as port:
        target = f"127.0.0.1:{port}"
        with caplog.at_level(logging.INFO, "relay.transport.revocation"):
            for broken in (b"x", b"yy"):
                put(path, broken)
                while caplog.text.count("stays as it was") < 1:
                    await asyncio.sleep(0.01)
            assert await ask(target, files) == b"hello"
            put(path, whole)
            revoke(authority, path, files.certificate, NOW)
            await until_denied(lambda: ask(target, files))
    assert caplog.text.count("stays as it was") == 1


Change = Callable[[x509.CertificateRevocationListBuilder], x509.CertificateRevocationListBuilder]


def made(
    authority: Path, *, now: datetime.datetime = NOW, days: int = 1, number: bool = True, more: Sequence[Any] = ()
) -> bytes:
    """A list with one thing wrong."""
    ca = x509.load_pem_x509_certificate((authority / "ca.pem").read_bytes())
    key: Any = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.subject).last_update(now - DAY)
    builder = builder.next_update(now + datetime.timedelta(days=days))
    if number:
        builder = builder.add_extension(x509.CRLNumber(7), critical=False)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def partition() -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=None, relative_name=None, only_contains_user_certs=True, only_contains_ca_certs=False,
        only_some_reasons=None, indirect_crl=False, only_contains_attribute_certs=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"number": False}, "has no number"),
        ({"now": NOW - 3 * DAY}, "has run out"),
        ({"now": NOW + 3 * DAY}, "dated in the future"),
        ({"more": [(x509.DeltaCRLIndicator(1), True)]}, "one complete list"),
        ({"more": [(partition(), True)]}, "one complete list"),
    ],
    ids=["no-number", "expired", "future", "delta", "partition"],
)
def test_list_with_one_thing_wrong_is_refused(authority: Path, wrong: dict[str, Any], reason: str) -> None:
    authorities = x509.load_pem_x509_certificates((authority / "ca.pem").read_bytes())
    assert parse_list(made(authority), authorities, NOW, what="list").number == 7
    with pytest.raises(Malformed, match=reason):
        parse_list(made(authority, **wrong), authorities, NOW, what="list")


def test_list_of_another_authority_of_the_same_name_is_refused(authority: Path, tmp_path: Path) -> None:
    """And a list whose signature was touched."""
    other = tmp_path / "other"
    other.mkdir()
    make_authority(other, DOMAIN, NOW)
    authorities = x509.load_pem_x509_certificates((authority / "ca.pem").read_bytes())
    with pytest.raises(Malformed, match="not signed by an authority"):
        parse_list(made(other), authorities, NOW, what="list")
    der = bytearray(x509.load_pem_x509_crl(made(authority)).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    touched = x509.load_der_x509_crl(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(Malformed, match="not signed by an authority"):
        parse_list(touched, authorities, NOW, what="list")


def test_certificate_is_revoked_once(authority: Path, tmp_path: Path, listed: TlsFiles) -> None:
    files, path = issued(authority, tmp_path / "o", Role.OPERATOR), listed.crl[DOMAIN]
    revoke(authority, path, files.certificate, NOW)
    with pytest.raises(Conflict, match="revoked already"):
        revoke(authority, path, files.certificate, NOW)
    assert not path.with_name("crl.pem.new").exists()
    assert tls(tmp_path / "o") == files
