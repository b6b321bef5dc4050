"""Small pure parts: texts that people sent, addresses to go on to, forms in any pieces, the configuration."""

from __future__ import annotations

import asyncio
import tempfile
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.strict import read_table
from relay.config.web import UPLOAD_BYTES_MAX, read_web
from relay.core.errors import Denied, Malformed, Unavailable
from relay.web.forms import Form, read_form
from relay.web.guard import SPACE_KEPT_BYTES
from relay.web.plain import plain, quoted
from relay.web.security import check_host, check_path, csrf_token, safe_next
from tests.web.client import multipart

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text())
def test_nothing_invisible_is_left_of_a_text(text: str) -> None:
    shown = plain(text)
    assert not [c for c in shown if unicodedata.category(c) in HIDDEN and c != "\n"]


@given(st.text(alphabet=st.characters(categories=["L", "N", "P"]), max_size=200))
def test_letters_of_every_script_stay(text: str) -> None:
    kept = "".join(c for c in text if c not in "\u115f\u1160\u3164\uffa0\u2800")
    assert plain(kept) == kept


def test_a_text_for_a_page_is_escaped_and_isolated() -> None:
    assert quoted("<b>\u202e") == '<bdi dir="auto">&lt;b&gt;⟨U+202E⟩</bdi>'


@given(st.text())
def test_what_is_gone_on_to_is_on_these_pages(text: str) -> None:
    for given_text in (text, "/" + text, "//" + text, "/\\" + text):
        there = urlsplit(urljoin("https://court.example/x", safe_next(given_text)))
        assert (there.scheme, there.netloc) == ("https", "court.example")


@pytest.mark.parametrize("path", ["/", "/cases/1?page=2", "/sign-in?next=/a%20b"])
def test_paths_of_these_pages_are_kept(path: str) -> None:
    assert safe_next(path) == path


@pytest.mark.parametrize(
    "hosts", [[], ["a.example", "a.example"], ["b.example"], ["a.example:80"], ["a.example."], [""]]
)
def test_a_host_is_the_one_that_is_configured(hosts: list[str]) -> None:
    with pytest.raises(Malformed):
        check_host(hosts, "https://a.example")


def test_a_default_port_and_capitals_are_the_same_host() -> None:
    check_host(["A.example:443"], "https://a.example")
    check_host(["a.example"], "https://a.example:443")
    check_host(["127.0.0.1:8080"], "http://127.0.0.1:8080")


@pytest.mark.parametrize("path", ["", "x", "/a//b", "/../a", "/a/./b", "/a\\b", "/a\x00", "/\ufffd", "/\u202e"])
def test_a_path_has_one_spelling(path: str) -> None:
    with pytest.raises(Malformed):
        check_path(path, b"")


def test_a_token_belongs_to_its_secret_and_does_not_give_it_away() -> None:
    assert csrf_token("a" * 43) != csrf_token("b" * 43)
    assert "a" * 8 not in csrf_token("a" * 43)


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read(body: bytes, kind: str, size: int = 4096) -> tuple[dict[str, list[str]], dict[str, tuple[str, bytes]]]:
    async def run() -> Form:
        return await read_form(kind, pieces(body, size), Path(tempfile.gettempdir()), lambda fields: None)

    form = asyncio.run(run())
    files = {name: (upload.name, upload.file.read()) for name, upload in form.files.items()}
    assert all(upload.size == len(files[name][1]) for name, upload in form.files.items())
    form.close()
    return form.fields, files


@given(
    st.binary(max_size=5000),
    st.integers(1, 700),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50),
)
def test_a_form_is_the_same_in_whatever_pieces_it_comes(data: bytes, size: int, text: str) -> None:
    body, kind = multipart({"csrf": "x", "text": text}, {"file": ("a.bin", data)})
    fields, files = read(body, kind, size)
    assert fields == {"csrf": ["x"], "text": [text]}
    assert files == {"file": ("a.bin", data)}


def test_a_file_is_not_taken_before_the_token() -> None:
    async def run() -> Form:
        def check(fields: dict[str, list[str]]) -> None:
            if "csrf" not in fields:
                raise Denied("no token")

        body, kind = multipart({}, {"file": ("a", b"x" * 10_000)})
        return await read_form(kind, pieces(body, 100), Path(tempfile.gettempdir()), check)

    with pytest.raises(Denied):
        asyncio.run(run())


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    from relay.web.guard import Guard, Policy

    usage = shutil.disk_usage(tmp_path)._replace(free=SPACE_KEPT_BYTES + 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    guard = Guard(None, _Site(), Policy(spool=tmp_path), None, [])  # type: ignore[arg-type]
    asyncio.run(guard._check_space(10))
    with pytest.raises(Unavailable):
        asyncio.run(guard._check_space(11))


class _Site:
    url = "https://court.example"


GOOD = """
listen = "127.0.0.1:8080"
tls = "none"
url = "https://court.example"
court_name = "一个法院"
[people]
"spiffe://court.example/person/li" = ["judge"]
[oidc]
issuer = "https://login.example"
client_id = "c"
client_secret = "file:secret"
claim = "groups"
[oidc.roles]
judges = ["judge", "auditor"]
"""


def config(folder: Path, text: str) -> object:
    (folder / "secret").write_text("geheim\n")
    (folder / "secret").chmod(0o600)
    (folder / "web.toml").write_text(text)
    return read_web(read_table(folder / "web.toml"))


def test_a_good_configuration_is_read_and_does_not_show_its_secret(tmp_path: Path) -> None:
    found = config(tmp_path, GOOD)
    assert "geheim" not in repr(found)
    assert f"upload_bytes_max={UPLOAD_BYTES_MAX}" in repr(found)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"127.0.0.1:8080"', '"0.0.0.0:8080"', "tls"),
        ('"127.0.0.1:8080"', '"8080"', "listen"),
        ('"127.0.0.1:8080"', '"127.0.0.1:70000"', "listen"),
        ('tls = "none"', 'tls = "some"', "tls"),
        ("https://court.example", "http://court.example", "url"),
        ("https://court.example", "https://court.example/", "url"),
        ("https://court.example", "https://a@court.example", "url"),
        ("https://court.example", "https://court.example:0", "url"),
        ("https://court.example", "ftp://court.example", "url"),
        ('"一个法院"', '"a\\u202eb"', "court_name"),
        ('["judge"]', '["party"]', "people.spiffe"),
        ('["judge"]', "[]", "people.spiffe"),
        ("person/li", "relay/li", "people"),
        ("https://login.example", "http://login.example", "oidc.issuer"),
        ('"file:secret"', '"geheim"', "oidc.client_secret"),
        ('judges = ["judge", "auditor"]', "", "oidc.roles"),
        ('claim = "groups"', 'claim = "groups"\nscope = "profile"', "oidc.scope"),
        ('tls = "none"', 'tls = "none"\nupload_bytes_max = 5', "upload_bytes_max"),
        ('tls = "none"', 'tls = "none"\nunknown = 5', "unknown"),
    ],
)
def test_a_wrong_configuration_is_named_by_file_and_key(tmp_path: Path, old: str, new: str, field: str) -> None:
    assert old in GOOD
    with pytest.raises(Malformed) as refused:
        config(tmp_path, GOOD.replace(old, new, 1))
    assert (field in str(refused.value), "web.toml" in str(refused.value)) == (True, True)
