"""Certificates of the right authority that are still nobody's identity: the gate refuses each by its own reason."""

from __future__ import annotations

import datetime
import ipaddress
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from relay.core.errors import Denied, Malformed, RelayError
from relay.core.identity import Role, parse_identity
from relay.transport.credentials import TlsFiles
from tests.support.echo import NOW, Echo, ask, issued, served, tls

OPERATOR = "spiffe://a.example/operator/x"
LEAF_USAGE = {"digital_signature": True}
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def usage(**set_to: bool) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: set_to.get(name, False) for name in USAGES})


def signed(
    authority: Path,
    to: Path,
    *,
    uris: Sequence[str] = (OPERATOR,),
    usages: dict[str, bool] | None = LEAF_USAGE,
    ca: bool | None = False,
    alternative: bool = True,
) -> TlsFiles:
    """A certificate the authority signed with one thing wrong."""
    to.mkdir()
    issuer = x509.load_pem_x509_certificate((authority / "ca.pem").read_bytes())
    issuer_key: Any = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, OPERATOR)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(minutes=5))
        .not_valid_after(NOW + datetime.timedelta(days=1))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if usages is not None:
        builder = builder.add_extension(usage(**usages), critical=True)
    if alternative:
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    (to / "tls.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (to / "tls.key").write_bytes(key.private_bytes(*form))
    (to / "tls.key").chmod(0o600)
    (to / "ca.pem").write_bytes((authority / "ca.pem").read_bytes())
    return tls(to)


async def test_well_made_certificate_of_this_helper_is_let_in(authority: Path, tmp_path: Path) -> None:
    """So that the refusals below are for their one wrong thing."""
    async with served(authority, Echo(), tmp_path) as target:
        assert await ask(target, signed(authority, tmp_path / "o")) == b"hello"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"uris": (OPERATOR, "spiffe://a.example/operator/y")}, "carries 2 URI names"),
        ({"uris": (OPERATOR, OPERATOR)}, "carries 2 URI names"),
        ({"uris": ()}, "carries 0 URI names"),
        ({"alternative": False}, "lacks what an identity needs"),
        ({"ca": None}, "lacks what an identity needs"),
        ({"usages": None}, "lacks what an identity needs"),
        ({"ca": True}, "not a leaf"),
        ({"usages": {**LEAF_USAGE, "key_cert_sign": True}, "ca": True}, "not a leaf"),
        ({"usages": {**LEAF_USAGE, "crl_sign": True}}, "not a leaf"),
        ({"uris": ("https://a.example/operator/x",)}, "must be spiffe"),
        ({"uris": ("spiffe://a.example/emperor/x",)}, "must be spiffe"),
        ({"uris": ("spiffe://a.example/operator/x/y",)}, "must be spiffe"),
        ({"uris": ("spiffe://A.example/operator/x",)}, "must be spiffe"),
    ],
    ids=[
        "two-uris", "same-uri-twice", "no-uri", "no-names", "no-constraints", "no-usage", "authority",
        "signs-certificates", "signs-lists", "other-scheme", "unknown-role", "longer-path", "capital-domain",
    ],
)  # fmt: skip
async def test_certificate_with_one_thing_wrong_is_nobody(
    authority: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: dict[str, Any], reason: str
) -> None:
    """The caller learns nothing; our log has the reason."""
    files = signed(authority, tmp_path / "o", **wrong)
    with caplog.at_level(logging.INFO, "relay.transport.status"):
        async with served(authority, Echo(), tmp_path) as target:
            with pytest.raises(Denied) as refusal:
                await ask(target, files)
    assert str(refusal.value) == "not permitted"
    assert reason in caplog.text


async def test_same_role_in_another_trust_domain_is_still_only_a_role(authority: Path, tmp_path: Path) -> None:
    """Names decide through `may`; a certificate of our authority with a foreign domain is refused there."""
    files = signed(authority, tmp_path / "o", uris=("spiffe://b.example/operator/x",))
    ours = parse_identity(OPERATOR)
    async with served(authority, Echo(), tmp_path, may=lambda _method, caller: caller == ours) as target:
        with pytest.raises(Denied):
            await ask(target, files)
        assert await ask(target, issued(authority, tmp_path / "p", Role.OPERATOR)) == b"hello"


@pytest.mark.parametrize("name", ["ca", "certificate", "key"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN NOTHING-----\n", b"\xff\x00"])
async def test_tls_file_that_is_none_is_named(
    authority: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    path = tmp_path / f"bad-{name}.pem"
    if content is not None:
        path.write_bytes(content)
    good = issued(authority, tmp_path / "o", Role.OPERATOR)
    files = TlsFiles(**{"ca": good.ca, "certificate": good.certificate, "key": good.key, name: path})
    with pytest.raises(Malformed, match=path.name):
        await ask("127.0.0.1:1", files)


@pytest.mark.parametrize("uri", ["", "spiffe://", "spiffe://a/b", "spiffe://a.example/operator/" + "x" * 600, "\x00"])
def test_strings_that_are_no_identity_are_malformed(uri: str) -> None:
    with pytest.raises(RelayError):
        parse_identity(uri)
