"""Timestamp authorities for tests: certificates, `openssl ts -reply` behind a small HTTP server, and a forger who makes any token."""

from __future__ import annotations

import datetime
import hashlib
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from relay.core import cms
from relay.core.authorities import AuthorityRoot
from relay.core.trust import parse_trust_roots

POLICY = "1.3.6.1.4.1.99999.1.1"
DAY = datetime.timedelta(days=1)
SHA256 = cms.Algorithm(algorithm=ObjectIdentifier("2.16.840.1.101.3.4.2.1"), parameters=cms.NULL)
SHA512 = cms.Algorithm(algorithm=ObjectIdentifier("2.16.840.1.101.3.4.2.3"), parameters=cms.NULL)
CONFIG = """
[ tsa ]
default_tsa = one
[ one ]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = {policy}
digests = sha256, sha512
accuracy = secs:1
clock_precision_digits = 3
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True)
class Authority:
    """Keys and certificates of one authority; `root` is what trust roots pin of it."""

    folder: Path
    key: Any
    certificate: x509.Certificate
    issuer: x509.Certificate
    root: AuthorityRoot

    def reply(self, query: bytes) -> bytes:
        """What `openssl ts -reply` answers."""
        (self.folder / "query.tsq").write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", "openssl.cnf", "-section", "one"]
        command += ["-queryfile", "query.tsq", "-out", "reply.tsr"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        return (self.folder / "reply.tsr").read_bytes()

    def openssl_accepts(self, token: bytes, note: bytes) -> bool:
        """What `openssl ts -verify` says of a stored token."""
        (self.folder / "stored.tst").write_bytes(token)
        (self.folder / "note").write_bytes(note)
        command = ["openssl", "ts", "-verify", "-in", "stored.tst", "-token_in", "-data", "note"]
        command += ["-CAfile", "ca.pem", "-untrusted", "tsa.pem"]
        done = subprocess.run(command, cwd=self.folder, check=False, capture_output=True, text=True)
        return done.returncode == 0 and "Verification: OK" in done.stdout + done.stderr


def make_authority(
    folder: Path,
    name: str,
    *,
    kind: str = "rsa",
    usage: Any = ExtendedKeyUsageOID.TIME_STAMPING,
    critical: bool = True,
    since: datetime.timedelta = -DAY,
    until: datetime.timedelta = DAY,
) -> Authority:
    """A root certificate and a signing certificate under it, valid from `since` to `until` of now, for openssl too."""
    folder.mkdir(parents=True)
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    key: Any = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"root of {name}")])
    ca = (
        _builder(ca_name, ca_name, ca_key, now - 9 * DAY, now + 9 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    leaf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"stamps of {name}")])
    leaf = (
        _builder(leaf_name, ca_name, key, now + since, now + until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=critical)
        .sign(ca_key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "tsa.pem").write_bytes(leaf.public_bytes(pem))
    (folder / "tsa.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (folder / "openssl.cnf").write_text(CONFIG.format(folder=folder, policy=POLICY))
    der = serialization.Encoding.DER
    root = AuthorityRoot(
        name=name,
        certificates=(leaf.public_bytes(der), ca.public_bytes(der)),
        policies=(POLICY,),
        valid_from_ms=int((now - 9 * DAY).timestamp()) * 1000,
        valid_to_ms=int((now + 9 * DAY).timestamp()) * 1000,
        accuracy_ms=1000,
    )
    return Authority(folder=folder, key=key, certificate=leaf, issuer=ca, root=root)


def _builder(subject: x509.Name, issuer: x509.Name, key: Any, start: Any, end: Any) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def pin(home: Path, *authorities: Authority, quorum: int = 0) -> None:
    """Put authorities into the trust roots of a home that has not been used yet."""
    file = home / "trust.json"
    trust = parse_trust_roots(file.read_bytes())
    roots = tuple(authority.root for authority in authorities)
    file.write_bytes(replace(trust, authorities=roots, time_quorum=quorum).to_json())


Answer = Callable[[bytes], tuple[int, Mapping[str, str], bytes]]
REPLY = {"Content-Type": "application/timestamp-reply"}


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """An HTTP server on the loopback that answers every POST so; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            status, headers, data = answer(body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/stamp"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def stamping(authority: Authority) -> Iterator[str]:
    """The authority's own server."""
    one_at_a_time = threading.Lock()

    def answer(query: bytes) -> tuple[int, Mapping[str, str], bytes]:
        with one_at_a_time:
            return 200, REPLY, authority.reply(query)

    with serving(answer) as url:
        yield url


@asn1.sequence
class Accuracy:
    seconds: int


@asn1.sequence
class Info:
    """TSTInfo."""

    version: int
    policy: ObjectIdentifier
    imprint: cms.Imprint
    serial: int
    time: asn1.GeneralizedTime
    accuracy: Accuracy | None
    nonce: int | None


@asn1.sequence
class Octets:
    data: bytes


def forge(
    authority: Authority,
    note: bytes,
    at_ms: int,
    *,
    policy: str = POLICY,
    accuracy_s: int | None = 1,
    digest: cms.Algorithm = SHA256,
    named: x509.Certificate | None = None,
    serial: int = 7,
) -> bytes:
    """A token with whatever time, policy and exactness the holder of the authority's key likes."""
    name = "sha512" if digest is SHA512 else "sha256"
    moment = datetime.datetime.fromtimestamp(at_ms // 1000, datetime.UTC)
    info = cms.encode(
        Info(
            version=1,
            policy=ObjectIdentifier(policy),
            imprint=cms.Imprint(algorithm=digest, digest=hashlib.new(name, note).digest()),
            serial=serial,
            time=asn1.GeneralizedTime(moment.replace(tzinfo=datetime.UTC)),
            accuracy=None if accuracy_s is None else Accuracy(seconds=accuracy_s),
            nonce=None,
        )
    )
    named = named or authority.certificate
    return sign(authority, info, named.fingerprint(hashes.SHA256()))


def sign(authority: Authority, info: bytes, fingerprint: bytes | None) -> bytes:
    """A CMS token over these bytes; the signed attributes name a certificate by its SHA-256 unless there is none to name."""
    attributes = [
        _attribute(cms.CONTENT_TYPE, cms.encode(cms.TST_INFO)),
        _attribute(ObjectIdentifier("1.2.840.113549.1.9.4"), b"\x04\x20" + hashlib.sha256(info).digest()),
    ]
    if fingerprint is not None:
        identity = cms.encode(cms.CertificateId(digest=fingerprint, issuer=None))
        chosen = cms.encode(cms.SigningCertificate(certificates=[cms.whole(identity)]))
        attributes.append(_attribute(cms.SIGNING_CERTIFICATE_V2, chosen))
    signed = asn1.SetOf(attributes)
    message = _der_set(attributes)
    if isinstance(authority.key, rsa.RSAPrivateKey):
        signature = authority.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        algorithm = cms.Algorithm(algorithm=ObjectIdentifier("1.2.840.113549.1.1.1"), parameters=cms.NULL)
    else:
        signature = authority.key.sign(message, ec.ECDSA(hashes.SHA256()))
        algorithm = cms.Algorithm(algorithm=ObjectIdentifier("1.2.840.10045.4.3.2"), parameters=None)
    issuer = cms.whole(authority.certificate.issuer.public_bytes())
    signer = cms.Signer(
        version=1,
        name=cms.SignerName(issuer=issuer, serial=authority.certificate.serial_number),
        digest=SHA256,
        attributes=signed,
        algorithm=algorithm,
        signature=signature,
    )
    data = cms.SignedData(
        version=3,
        digests=asn1.SetOf([SHA256]),
        content=cms.Content(kind=cms.TST_INFO, content=info),
        signers=asn1.SetOf([signer]),
    )
    return cms.encode(cms.Token(kind=cms.SIGNED_DATA, content=data))


def _attribute(kind: ObjectIdentifier, value: bytes) -> cms.Attribute:
    return cms.Attribute(kind=kind, values=asn1.SetOf([cms.whole(value)]))


def _der_set(attributes: list[cms.Attribute]) -> bytes:
    """What the signature covers: the attributes as a SET OF (RFC 5652 section 5.4)."""
    body = b"".join(sorted(cms.encode(attribute) for attribute in attributes))
    size = len(body)
    assert size < 65_536
    length = bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else b"\x82" + size.to_bytes(2, "big")
    return b"\x31" + length + body
