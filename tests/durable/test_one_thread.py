"""The thread of a store: jobs in their order, all of them before it ends, whatever one of them does."""

from __future__ import annotations

import logging
import threading

import pytest

from relay.durable.one_thread import OneThread


def test_jobs_are_done_in_their_order_in_one_thread_before_shutdown_returns() -> None:
    done: list[tuple[int, int]] = []
    thread = OneThread("test")
    for number in range(100):
        thread.submit(lambda number=number: done.append((number, threading.get_ident())))  # type: ignore[misc]
    thread.shutdown()
    assert [number for number, _ in done] == list(range(100))
    (ident,) = {ident for _, ident in done}
    assert ident != threading.get_ident()


def test_a_job_that_raises_is_logged_and_those_behind_it_are_done(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []
    thread = OneThread("test")
    with caplog.at_level(logging.ERROR):
        thread.submit(lambda: done.append(1 // 0))
        thread.submit(lambda: done.append(2))
        thread.shutdown()
    assert done == [2]
    assert "ZeroDivisionError" in caplog.text


def test_without_a_job_there_is_no_thread() -> None:
    before = threading.active_count()
    thread = OneThread("test")
    assert threading.active_count() == before
    thread.shutdown()
