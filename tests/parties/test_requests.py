"""Certificate requests: an authority grants what it says itself, never what a request asks for besides."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from relay.app import parties
from relay.core.errors import Conflict, Malformed
from relay.setup.requests import REQUEST_BYTES_MAX, read_request

RELAY = "spiffe://alliance.example/relay/relay"
DESK = "spiffe://alliance.example/operator/desk"
NAMES = ["relay.alliance.example", "10.0.0.7"]


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    parties.new_authority(tmp_path / "authority", "alliance.example", 90)
    return tmp_path / "authority"


def asked(*names: x509.GeneralName) -> x509.CertificateSigningRequestBuilder:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.add_extension(x509.SubjectAlternativeName(names), critical=True)


def written(
    tmp_path: Path,
    builder: x509.CertificateSigningRequestBuilder,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
) -> Path:
    request = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    (tmp_path / "x.csr").write_bytes(request.public_bytes(serialization.Encoding.PEM))
    return tmp_path / "x.csr"


def issue(request: Path, authority: Path, identity: str = RELAY, names: list[str] | None = None) -> x509.Certificate:
    out = authority.parent / "out.pem"
    parties.issue_certificate(request, authority, identity, NAMES if names is None else names, out, 90)
    return x509.load_pem_x509_certificate(out.read_bytes())


def test_a_certificate_is_of_the_key_that_never_left(tmp_path: Path, authority: Path) -> None:
    facts = parties.request_certificate(tmp_path / "relay", RELAY, NAMES)
    assert (tmp_path / "relay/tls.key").stat().st_mode & 0o077 == 0
    assert facts["sha256"] == read_request(tmp_path / "relay/tls.csr").sha256
    made = issue(tmp_path / "relay/tls.csr", authority)
    key = serialization.load_pem_private_key((tmp_path / "relay/tls.key").read_bytes(), None)
    assert made.public_key() == key.public_key()
    san = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.UniformResourceIdentifier) == [RELAY]
    assert san.get_values_for_type(x509.DNSName) == ["relay.alliance.example"]
    assert [str(one) for one in san.get_values_for_type(x509.IPAddress)] == ["10.0.0.7"]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    made.verify_directly_issued_by(x509.load_pem_x509_certificate((authority / "ca.pem").read_bytes()))


def test_a_desk_that_asks_to_be_the_relay_is_refused(tmp_path: Path, authority: Path) -> None:
    parties.request_certificate(tmp_path / "desk", RELAY, [])
    with pytest.raises(Malformed, match=f"asks for {RELAY}, and {DESK} is to be granted"):
        issue(tmp_path / "desk/tls.csr", authority, DESK, [])


def test_one_name_more_than_is_granted_is_refused(tmp_path: Path, authority: Path) -> None:
    parties.request_certificate(tmp_path / "relay", RELAY, [*NAMES, "gateway.court.example"])
    with pytest.raises(Malformed, match="say each with --name"):
        issue(tmp_path / "relay/tls.csr", authority)
    assert not (tmp_path / "out.pem").exists()


def test_a_request_for_an_authority_is_refused(tmp_path: Path, authority: Path) -> None:
    builder = asked(x509.UniformResourceIdentifier(RELAY)).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    with pytest.raises(Malformed, match="alternative names alone"):
        issue(written(tmp_path, builder), authority, names=[])


def test_two_identities_in_one_request_are_refused(tmp_path: Path) -> None:
    both = asked(x509.UniformResourceIdentifier(RELAY), x509.UniformResourceIdentifier(DESK))
    with pytest.raises(Malformed, match="exactly one"):
        read_request(written(tmp_path, both))


def test_a_name_of_another_kind_is_refused(tmp_path: Path) -> None:
    mail = asked(x509.UniformResourceIdentifier(RELAY), x509.RFC822Name("judge@court.example"))
    with pytest.raises(Malformed, match="other kinds are not granted"):
        read_request(written(tmp_path, mail))


def test_a_name_for_every_host_is_refused(tmp_path: Path) -> None:
    wide = asked(x509.UniformResourceIdentifier(RELAY), x509.DNSName("*.example"))
    with pytest.raises(Malformed, match="no host name"):
        read_request(written(tmp_path, wide))


def test_a_request_whose_signature_was_replaced_is_refused(tmp_path: Path) -> None:
    """Whoever asks in another's name does not have its key."""
    path = written(tmp_path, asked(x509.UniformResourceIdentifier(RELAY)))
    der = bytearray(x509.load_pem_x509_csr(path.read_bytes()).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    path.write_bytes(x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM))
    with pytest.raises(Malformed, match="does not have its key"):
        read_request(path)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(Malformed, match="must be a P-256 key"):
        read_request(written(tmp_path, asked(x509.UniformResourceIdentifier(RELAY)), key))


@given(data=st.binary(max_size=400))
def test_whatever_is_no_request_is_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csr"
    path.write_bytes(data)
    with pytest.raises(Malformed):
        read_request(path)


def test_a_request_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "x.csr").write_bytes(b"-" * (REQUEST_BYTES_MAX + 1))
    with pytest.raises(Malformed, match="larger than"):
        read_request(tmp_path / "x.csr")


@pytest.mark.parametrize(
    "name", ["", "Relay.example", "relay.example.", "-a.example", "10.0.0.007", "1.2.3", "::0001", "a b", "a" * 300]
)
def test_a_name_has_one_spelling(tmp_path: Path, name: str) -> None:
    with pytest.raises(Malformed):
        parties.request_certificate(tmp_path / "relay", RELAY, [name])
    assert not (tmp_path / "relay/tls.key").exists()


def test_nothing_is_overwritten(tmp_path: Path, authority: Path) -> None:
    parties.request_certificate(tmp_path / "relay", RELAY, NAMES)
    with pytest.raises(Conflict):
        parties.request_certificate(tmp_path / "relay", RELAY, NAMES)
    with pytest.raises(Conflict):
        parties.new_authority(authority, "alliance.example", 90)
    issue(tmp_path / "relay/tls.csr", authority)
    with pytest.raises(Conflict):
        issue(tmp_path / "relay/tls.csr", authority)


def test_a_revoked_certificate_stays_on_the_list_when_it_is_renewed(tmp_path: Path, authority: Path) -> None:
    parties.request_certificate(tmp_path / "relay", RELAY, NAMES)
    made = issue(tmp_path / "relay/tls.csr", authority)
    parties.revoke_certificate(tmp_path / "out.pem", authority, 90)
    facts = parties.renew_revocation_list(authority, 30)
    held = x509.load_pem_x509_crl((authority / "crl.pem").read_bytes())
    assert facts["revoked"] == 1
    assert [entry.serial_number for entry in held] == [made.serial_number]
    assert held.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3
    assert held.next_update_utc is not None
    assert held.next_update_utc - datetime.datetime.now(datetime.UTC) < datetime.timedelta(days=31)
    with pytest.raises(Conflict, match="revoked already"):
        parties.revoke_certificate(tmp_path / "out.pem", authority, 90)
