"""Seals a report: a PAdES signature (ETSI EN 319 142-1, baseline B-B, with a timestamp B-T) that allows no change after it.

pyHanko takes a second to import and is imported when it is first needed.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from relay.core.errors import Malformed, Unavailable
from relay.core.report_inputs import CertificateFacts
from relay.private.files import read_private
from relay.report.certificates import facts_of, read_certificates, usage_problem
from relay.report.needs import need_pyhanko

FIELD: Final = "Seal"
TIMEOUT_S: Final = 20


class PdfSealer:
    """The court's report certificate and its key. `open` reads both; `seal` may be called from any thread."""

    def __init__(self, chain: tuple[bytes, ...], key: bytes, facts: CertificateFacts, authority_url: str) -> None:
        """`chain`: DER, the sealer's first; `key`: PKCS#8 DER; `authority_url`: of a timestamp authority, empty for none."""
        self._chain = chain
        self._key = key
        self.facts = facts
        self._authority_url = authority_url

    @classmethod
    def open(cls, certificate: Path, key: Path, authority_url: str = "") -> PdfSealer:
        """Raises `Malformed`: unreadable, not made for sealing, or two that do not belong together."""
        chain = read_certificates(certificate)
        if problem := usage_problem(chain[0]):
            raise Malformed(str(certificate), "report.certificate", problem)
        try:
            private = serialization.load_pem_private_key(read_private(key), None)
        except (ValueError, TypeError) as error:
            reason = f"is no PEM file of an unencrypted private key: {error}"
            raise Malformed(str(key), "report.key", reason, concern="key") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise Malformed(str(key), "report.key", "must be an elliptic curve or RSA key", concern="key")
        if private.public_key() != chain[0].public_key():
            raise Malformed(str(key), "report.key", f"does not belong to {certificate}", concern="key")
        return cls(
            tuple(one.public_bytes(Encoding.DER) for one in chain),
            private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
            facts_of(chain[0]),
            authority_url,
        )

    def seal(self, pdf: bytes, *, issuer: str, reason: str) -> bytes:
        """The PDF with the seal behind it; its own bytes stay as they are. Raises `Unavailable` without a timestamp that was asked for."""
        need_pyhanko()
        from asn1crypto import keys, x509
        from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
        from pyhanko.sign import signers
        from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
        from pyhanko.sign.timestamps import HTTPTimeStamper, TimestampRequestError
        from pyhanko_certvalidator.registry import SimpleCertificateStore

        certificates = [x509.Certificate.load(der) for der in self._chain]
        store: Any = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # pyHanko left this one out
        store.register_multiple(certificates[1:])
        signer = signers.SimpleSigner(
            signing_cert=certificates[0],
            signing_key=keys.PrivateKeyInfo.load(self._key),
            cert_registry=store,
            embed_roots=False,  # whoever checks has the root; nothing in a seal signs it
        )
        meta = signers.PdfSignatureMetadata(
            field_name=FIELD,
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
            name=issuer,
            reason=reason,
        )
        stamper = HTTPTimeStamper(self._authority_url, timeout=TIMEOUT_S) if self._authority_url else None
        out = io.BytesIO()
        try:
            signers.PdfSigner(meta, signer=signer, timestamper=stamper).sign_pdf(
                IncrementalPdfFileWriter(io.BytesIO(pdf)), output=out
            )
        except TimestampRequestError as error:
            raise Unavailable(f"the timestamp authority gave no timestamp: {error}") from None
        return out.getvalue()
