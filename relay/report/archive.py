"""What makes a PDF of ReportLab a PDF/A-3b (ISO 19005-3): XMP metadata, an output intent, and attachments that say how they belong.

Fonts are the caller's duty: every one embedded. Nothing here depends on the time of day or on chance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName, PDFStream, PDFString, PDFZCompress
from reportlab.pdfgen.canvas import Canvas

PDF_VERSION: Final = (1, 7)
PRODUCER: Final = "courtrelay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file inside the PDF; `relation` as ISO 32000-2 table 43 calls it."""

    name: str
    media_type: str
    data: bytes
    description: str
    relation: str = "Data"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFacts:
    """What the metadata says; `made_ms` in ms since 1970 UTC, `language` as in BCP 47."""

    title: str
    subject: str
    author: str
    keywords: str
    language: str
    creator: str
    made_ms: int
    attachments: Sequence[Attachment] = ()


def make_archive(canvas: Canvas, facts: ArchiveFacts) -> None:
    """Put all of it into the canvas's document. Call before `save`."""
    document: Any = canvas._doc  # type: ignore[attr-defined]  # ReportLab has no other way to its objects
    catalog = document.Catalog
    catalog.__NoDefault__ = [*catalog.__NoDefault__, "OutputIntents", "AF"]
    catalog.Lang = PDFString(facts.language)
    catalog.Metadata = document.Reference(_metadata(facts))
    catalog.OutputIntents = PDFArray([_output_intent(document)])
    if facts.attachments:
        pairs = [(a, document.Reference(_file(document, a, facts.made_ms))) for a in facts.attachments]
        catalog.AF = PDFArray([reference for _, reference in pairs])
        names = [part for attachment, reference in pairs for part in (PDFString(attachment.name), reference)]
        catalog.Names = PDFDictionary({"EmbeddedFiles": PDFDictionary({"Names": PDFArray(names)})})
    _info(document, facts)


def _info(document: Any, facts: ArchiveFacts) -> None:
    info = document.info
    info.title, info.subject, info.author, info.keywords = facts.title, facts.subject, facts.author, facts.keywords
    info.creator, info.producer = facts.creator, PRODUCER
    info._dateFormatter = lambda *_: _pdf_date(facts.made_ms)
    seed = repr((facts.title, facts.made_ms, [hashlib.sha256(a.data).hexdigest() for a in facts.attachments])).encode()
    name = hashlib.sha256(seed).hexdigest()[:32].encode()
    document._ID = b"\n[<" + name + b"><" + name + b">]\n"


def _pdf_date(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("D:%Y%m%d%H%M%SZ")


def _output_intent(document: Any) -> PDFDictionary:
    profile = PDFStream(
        PDFDictionary({"N": 3}), files("relay.report").joinpath("srgb.icc").read_bytes(), filters=[PDFZCompress]
    )
    return PDFDictionary(
        {
            "Type": PDFName("OutputIntent"),
            "S": PDFName("GTS_PDFA1"),
            "OutputConditionIdentifier": PDFString("sRGB"),
            "Info": PDFString("sRGB IEC61966-2.1"),
            "DestOutputProfile": document.Reference(profile),
        }
    )


def _file(document: Any, attachment: Attachment, made_ms: int) -> PDFDictionary:
    parameters = PDFDictionary({"Size": len(attachment.data), "ModDate": PDFString(_pdf_date(made_ms))})
    stream = PDFStream(
        PDFDictionary(
            {
                "Type": PDFName("EmbeddedFile"),
                "Subtype": "/" + attachment.media_type.replace("/", "#2F"),
                "Params": parameters,
            }
        ),
        attachment.data,
        filters=[PDFZCompress],
    )
    reference = document.Reference(stream)
    return PDFDictionary(
        {
            "Type": PDFName("Filespec"),
            "F": PDFString(attachment.name),
            "UF": PDFString(attachment.name),
            "Desc": PDFString(attachment.description),
            "AFRelationship": PDFName(attachment.relation),
            "EF": PDFDictionary({"F": reference, "UF": reference}),
        }
    )


def _metadata(facts: ArchiveFacts) -> PDFStream:
    moment = datetime.fromtimestamp(facts.made_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = _XMP.format(
        title=escape(facts.title),
        subject=escape(facts.subject),
        author=escape(facts.author),
        keywords=escape(facts.keywords),
        language=escape(facts.language),
        creator=escape(facts.creator),
        producer=PRODUCER,
        moment=moment,
    )
    kind = PDFDictionary({"Type": PDFName("Metadata"), "Subtype": PDFName("XML")})
    return PDFStream(kind, text.encode("utf-8"), filters=[])


_XMP: Final = """<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">
<pdfaid:part>3</pdfaid:part>
<pdfaid:conformance>B</pdfaid:conformance>
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{subject}</rdf:li></rdf:Alt></dc:description>
<dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>
<dc:language><rdf:Bag><rdf:li>{language}</rdf:li></rdf:Bag></dc:language>
<xmp:CreateDate>{moment}</xmp:CreateDate>
<xmp:ModifyDate>{moment}</xmp:ModifyDate>
<xmp:CreatorTool>{creator}</xmp:CreatorTool>
<pdf:Producer>{producer}</pdf:Producer>
<pdf:Keywords>{keywords}</pdf:Keywords>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""
