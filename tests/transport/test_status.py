"""Errors across the wire: each keeps its kind and its words, whatever these are; and what a broken call means to a writer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.errors import Conflict, Denied, Malformed, NotFound, RelayError, Unavailable, Uncertain, Unverified
from relay.core.identity import Role
from relay.durable.errors import StorageFailed
from relay.transport.channels import call, channel
from relay.transport.status import CODES, from_status, to_status
from tests.support.echo import SAY, Echo, issued, say, served

WORDS = st.text(st.characters(codec="utf-8"), max_size=120)
ERRORS = st.one_of(
    st.builds(Malformed, WORDS, WORDS, WORDS),
    st.builds(Unverified, WORDS, WORDS),
    *(st.builds(kind, WORDS) for kind in (NotFound, Conflict, Unavailable, Uncertain)),
)
NASTY = [
    "",
    " ",
    "half \ud800 a pair",
    "line\nbreak",
    "percent %41 %zz",
    "quote \" ' \\",
    "ü 借款合同 🧾",
    "\x00\x7f",
    "a: b: c",
    "x" * 5000,
]


def carried(error: BaseException, *, writing: bool = False) -> RelayError:
    """Through both tables without a wire."""
    code, details, trailer = to_status(error, "/x/Y")
    empty = grpc.aio.Metadata()
    return from_status(grpc.aio.AioRpcError(code, empty, grpc.aio.Metadata(*trailer), details=details), writing=writing)


def status(code: grpc.StatusCode, details: str = "gone") -> grpc.aio.AioRpcError:
    """What gRPC itself reports, without our trailer."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)


@given(ERRORS, st.booleans())
def test_kind_and_words_survive(error: RelayError, writing: bool) -> None:
    back = carried(error, writing=writing)
    assert (type(back), str(back)) == (type(error), str(error))


@given(WORDS)
def test_denial_has_one_text(reason: str) -> None:
    assert str(carried(Denied(reason))) == "not permitted"


def test_table_knows_every_error() -> None:
    """Those that cross the wire by their own kind; what a store or an adapter adds for its own callers goes as the kind it is one of."""
    known = {*RelayError.__subclasses__(), *Unavailable.__subclasses__()}
    assert set(CODES) == {kind for kind in known if not kind.__module__.startswith(("relay.store.", "adapters."))}
    assert len(set(CODES.values())) == len(CODES)


def test_first_error_of_a_group_speaks_for_it() -> None:
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [Conflict("first")]), NotFound("second")])
    assert isinstance(carried(group), Conflict)


@pytest.mark.parametrize("error", [StorageFailed("/data/x: disk full"), ValueError("secret"), AssertionError("secret")])
def test_trouble_inside_is_unavailable_and_says_nothing(error: Exception) -> None:
    back = carried(error)
    assert isinstance(back, Unavailable)
    assert str(error) not in str(back)


@pytest.mark.parametrize("code", [c for c in grpc.StatusCode if c is not grpc.StatusCode.OK])
@pytest.mark.parametrize("writing", [False, True])
def test_status_without_our_word_is_never_taken_for_a_verdict(code: grpc.StatusCode, writing: bool) -> None:
    """A proxy or a broken connection cannot say that something is not found, contradicts or does not verify."""
    assert not isinstance(from_status(status(code), writing=writing), (NotFound, Conflict, Unverified))


@pytest.mark.parametrize("code", [grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED])
def test_write_without_answer_may_have_happened(code: grpc.StatusCode) -> None:
    assert isinstance(from_status(status(code), writing=True), Uncertain)
    assert isinstance(from_status(status(code)), Unavailable)


async def test_every_error_keeps_kind_and_words_over_a_real_connection(authority: Path, tmp_path: Path) -> None:
    echo = Echo()
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, echo, tmp_path) as target, channel(target, files) as opened:
        for words in NASTY:
            short = words[:100]
            for error in (Malformed(short, short, words), Unverified(short, words), Conflict(words), Uncertain(words)):
                echo.error = error
                with pytest.raises(type(error)) as refusal:
                    await say(opened)
                assert str(refusal.value).startswith(str(error)[:1000].replace("\ud800", "?"))


async def test_long_words_of_any_script_do_not_hide_the_kind(authority: Path, tmp_path: Path) -> None:
    """Details are escaped byte by byte on the wire: a long Chinese reason must not burst the header's bound."""
    echo = Echo()
    files = issued(authority, tmp_path / "o", Role.OPERATOR)
    async with served(authority, echo, tmp_path) as target, channel(target, files) as opened:
        for letter in ("借", "🧾", "\n", "é"):
            echo.error = Malformed(letter * 2000, letter * 2000, letter * 9000)
            with pytest.raises(Malformed) as refusal:
                await say(opened)
            assert letter * 100 in refusal.value.reason


async def test_writer_that_gets_no_answer_is_told_to_ask(authority: Path, tmp_path: Path) -> None:
    """The server has the call and never answers."""
    files = issued(authority, tmp_path / "o", Role.OPERATOR)

    class Silent(Echo):
        async def say(self, _request: bytes, _context: Any) -> bytes:
            await asyncio.Event().wait()
            return b""

    async with served(authority, Silent(), tmp_path) as target, channel(target, files) as opened:
        silent: Any = opened.unary_unary(SAY)
        for writing, kind in ((True, Uncertain), (False, Unavailable)):
            with pytest.raises(kind):
                await call(silent(b"x", timeout=0.1), writing=writing)
