"""One spelling of a seal: what no signature covers inside a CMS structure (RFC 5652) must be as a seal of this kind has it.

A signature covers the signed attributes, and they the document and the certificate. Version numbers, lists of algorithms and the room
that was kept free behind the structure are covered by nothing: a byte changed there changes no meaning, and is refused all the same.
"""

from __future__ import annotations

from typing import Any, Final

SHA256: Final = {"algorithm": "sha256", "parameters": None}


def spelling_problem(data: bytes, begin: int, end: int) -> str:
    """What is wrong with the seal's place in the file, `<hex>` from `begin` to `end`; empty when nothing is."""
    from asn1crypto import cms, parser

    place = data[begin:end]
    try:
        content = bytes.fromhex(place[1:-1].decode("ascii"))
        *_, header, body, trailer = parser.parse(content)
        der = header + body + trailer
        info = cms.ContentInfo.load(der, strict=True)
        known = _plain_problem(info["content"]) or ("" if info.dump(force=True) == der else "is not in DER")
    except (ValueError, TypeError, KeyError, IndexError) as error:
        return f"the place of the seal cannot be read: {type(error).__name__}"
    if known:
        return f"the seal {known}"
    written = der.hex().upper().encode()
    if place != b"<" + written.ljust(end - begin - 2, b"0") + b">":
        return "the place of the seal holds more than the seal, or another spelling of it"
    return ""


def _plain_problem(signed: Any) -> str:
    signers = signed["signer_infos"]
    if signed["version"].native != "v1" or len(signers) != 1 or signers[0]["version"].native != "v1":
        return "has another version, or not one signer"
    lists = [signed["digest_algorithms"][n].native for n in range(len(signed["digest_algorithms"]))]
    if lists != [SHA256] or signers[0]["digest_algorithm"].native != SHA256:
        return "names another digest algorithm than SHA-256"
    inner = signed["encap_content_info"]
    if inner["content_type"].native != "data" or inner["content"].native is not None:
        return "holds a content of its own"
    return ""
