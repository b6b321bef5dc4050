"""What the tests of case pages put into the running network: a second case with recordings, and a dossier made by somebody hostile."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from relay.sample.papers import paper
from tests.support.command import all_confirmed, await_status, courtrelay
from tests.support.lines import STATED
from tests.web.client import Client, signed_in
from tests.web.network import Network

CASE = "(2026)民初0002号"
HOSTILE_CASE = "(2026)民初0666号"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>document.title="PWNED";fetch("/language")</script><text>svg</text></svg>'
HTML = b'<!doctype html><title>x</title><script>parent.document.title="PWNED"</script><img src=x onerror="document.title=\'PWNED\'">'
PDF = paper("合同", ["正文"], language="zh").replace(
    b"/Type /Catalog", b"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >> /Type /Catalog"
)
PNG_THAT_IS_HTML = b"\x00" + HTML
PAYLOADS = (
    ("picture.svg", "image/svg+xml", SVG),
    ("page.html", "text/html", HTML),
    ("paper.pdf", "application/pdf", PDF),
    ("photo.png", "image/png", PNG_THAT_IS_HTML),
    ("broken.pdf", "application/pdf", b"%PDF-1.7\n" + bytes(range(256)) * 20),
    ("note.txt", "text/plain", "a\u202eb <b>bold</b> \U000e0041".encode()),
    ("data.json", "application/json", b'{"a": "</pre><script>document.title=\'PWNED\'</script>"}'),
    ("blob.bin", "application/octet-stream", bytes(range(256)) * 300),
)
BIDI = "gpj.\u202etcartnoc <script>document.title='PWNED'</script> {seq}"


@dataclass(frozen=True)
class Dossiers:
    """Grants, as files, and what they name."""

    network: Network
    grant: Path
    hostile_grant: Path
    dossier: str
    hostile: str


def make_dossiers(network: Network, folder: Path) -> Dossiers:
    """Deposit and grant by the commands that a lender runs."""
    source = folder / "hostile"
    write_hostile(source)
    before = courtrelay("status", "--home", network.home, "--json").json()["custodian"]["entries"]
    stored = courtrelay("deposit", source, "--home", network.home, "--json")
    assert stored.code == 0, stored.err
    hostile = str(stored.json()["stored"][0]["dossier"])
    await_status(network.home, "the hostile dossier is confirmed", all_confirmed(before + 1))
    made = Dossiers(network, folder / "g2.jwt", folder / "g666.jwt", network.other_dossier, hostile)
    grant(network, CASE, made.dossier, made.grant)
    grant(network, HOSTILE_CASE, hostile, made.hostile_grant)
    return made


def grant(network: Network, case: str, dossier: str, out: Path) -> None:
    """One that opens what a filing needs."""
    issued = courtrelay(
        "grant", "issue", "--case", case, "--dossier", dossier, "--out", out, "--home", network.home, "--json"
    )
    assert issued.code == 0, issued.err


def write_hostile(folder: Path) -> None:
    """One record whose words and files try everything."""
    (folder / "files").mkdir(parents=True)
    listed = []
    for name, media_type, data in PAYLOADS:
        (folder / "files" / name).write_bytes(data)
        listed.append({"file": f"files/{name}", "name": name, "media_type": media_type})
    line = {
        "dossier": "hostile-1",
        "seq": 0,
        "kind": "complaint",
        "kind_version": 1,
        "event_time": "2025-03-05T10:00:00Z",
        "provenance": STATED,
        "fields": {
            "received_at": "2025-03-05T10:00:00Z", "channel": "phone", "subject": "other", "text": BIDI,
        },
        "payloads": listed,
    }  # fmt: skip
    (folder / "records.jsonl").write_text(json.dumps(line, ensure_ascii=False) + "\n")


def bundle_of(client: Client, case: str) -> str:
    """The newest bundle in a case."""
    found = re.search(r"/dossiers/([0-9a-f]{32})[^/]", client.get(f"/cases/of?case={quote(case)}").text)
    assert found, f"no dossier of {case} is retrieved"
    return found[1]


def retrieved(dossiers: Dossiers, case: str, grant: Path) -> str:
    """Take a grant in and retrieve what it names."""
    client = signed_in(dossiers.network.home, dossiers.network.url, "clerk")
    taken = client.upload("/cases/grant", {}, {"file": ("grant.jwt", grant.read_bytes())}, at="/cases/grant")
    assert taken.status == 303, taken.text
    page = client.get(taken.to).text
    digest = re.search(r'name="grant" value="([0-9a-f]{64})"', page)
    dossier = re.search(r'name="dossier" value="([0-9a-f]{32})"', page)
    assert digest
    assert dossier
    wanted = {"case": case, "grant": digest[1], "dossier": dossier[1], "purpose": "hearing"}
    job = client.post("/cases/retrieve", wanted, at=taken.to)
    assert job.status == 303, job.text
    deadline = time.monotonic() + 120
    while 'data-under-way="no"' not in client.get(job.to).text:
        assert time.monotonic() < deadline, "the retrieval never ended"
        time.sleep(0.1)
    return bundle_of(client, case)
