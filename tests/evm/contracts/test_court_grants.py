"""Statements on grants on a court's contract, attack by attack."""

from __future__ import annotations

import pytest

from tests.evm.contracts.chain import ADMIN, OTHER, STRANGER, WRITER, Contract, Reverted, name_hash, new_court

ISSUER, DIGEST, STATEMENT = "lender.example", b"\xd1" * 32, b"eyJhbGciOiJFZERTQSJ9.e30.c2ln"
NONE = (0, 0)


@pytest.fixture
def court() -> Contract:
    return new_court(WRITER, OTHER)


def refused(court: Contract, expected: Reverted, *values: object, sender: str = WRITER) -> None:
    with pytest.raises(Reverted) as found:
        court.call(sender, "recordGrant", *values)
    assert found.value == expected


def test_registration_and_revocation_are_events_with_the_statement(court: Contract) -> None:
    (event,) = court.call(WRITER, "recordGrant", ISSUER, DIGEST, False, STATEMENT)
    registered = court.number
    assert event.name == "GrantRecorded"
    assert event.values == (name_hash(ISSUER), DIGEST, WRITER, ISSUER, False, STATEMENT)
    (event,) = court.call(OTHER, "recordGrant", ISSUER, DIGEST, True, STATEMENT + b"2")
    assert event.values == (name_hash(ISSUER), DIGEST, OTHER, ISSUER, True, STATEMENT + b"2")
    assert court.view("grantState", ISSUER, DIGEST) == (registered, court.number)


def test_repeats_emit_nothing_and_keep_the_first_blocks(court: Contract) -> None:
    court.call(WRITER, "recordGrant", ISSUER, DIGEST, False, STATEMENT)
    assert court.call(OTHER, "recordGrant", ISSUER, DIGEST, False, b"another") == []
    court.call(WRITER, "recordGrant", ISSUER, DIGEST, True, STATEMENT)
    state = court.view("grantState", ISSUER, DIGEST)
    assert court.call(OTHER, "recordGrant", ISSUER, DIGEST, True, b"another") == []
    assert court.view("grantState", ISSUER, DIGEST) == state


def test_revoked_grant_cannot_be_registered_again(court: Contract) -> None:
    court.call(WRITER, "recordGrant", ISSUER, DIGEST, False, STATEMENT)
    court.call(WRITER, "recordGrant", ISSUER, DIGEST, True, STATEMENT)
    state = court.view("grantState", ISSUER, DIGEST)
    assert court.call(WRITER, "recordGrant", ISSUER, DIGEST, False, STATEMENT) == []
    assert court.view("grantState", ISSUER, DIGEST) == state


def test_revoking_what_was_never_registered_is_refused(court: Contract) -> None:
    refused(court, Reverted("NotRegistered"), ISSUER, DIGEST, True, STATEMENT)
    court.call(WRITER, "recordGrant", ISSUER, DIGEST, False, STATEMENT)
    refused(court, Reverted("NotRegistered"), ISSUER, b"\xd2" * 32, True, STATEMENT)


def test_nobody_speaks_for_another_lenders_grant(court: Contract) -> None:
    court.call(WRITER, "recordGrant", ISSUER, DIGEST, False, STATEMENT)
    refused(court, Reverted("NotRegistered"), "other.example", DIGEST, True, STATEMENT)
    assert len(court.call(WRITER, "recordGrant", "other.example", DIGEST, False, STATEMENT)) == 1
    court.call(WRITER, "recordGrant", "other.example", DIGEST, True, STATEMENT)
    registered, revoked = court.view("grantState", ISSUER, DIGEST)
    assert registered
    assert not revoked


@pytest.mark.parametrize("sender", [STRANGER, ADMIN])
def test_who_is_no_writer_records_nothing(court: Contract, sender: str) -> None:
    refused(court, Reverted("NotWriter", sender), ISSUER, DIGEST, False, STATEMENT, sender=sender)
    assert court.view("grantState", ISSUER, DIGEST) == NONE


def test_too_large_statement_is_refused(court: Contract) -> None:
    refused(court, Reverted("TooLong"), ISSUER, DIGEST, False, b"x" * 8193)
    assert court.view("grantState", ISSUER, DIGEST) == NONE
    (event,) = court.call(WRITER, "recordGrant", ISSUER, DIGEST, False, b"x" * 8192)
    assert event.values[-1] == b"x" * 8192


def test_too_large_statement_is_refused_in_a_repeat_too(court: Contract) -> None:
    court.call(WRITER, "recordGrant", ISSUER, DIGEST, False, STATEMENT)
    refused(court, Reverted("TooLong"), ISSUER, DIGEST, False, b"x" * 8193)


def test_too_long_or_empty_issuer_is_refused(court: Contract) -> None:
    for issuer in ("x" * 256, ""):
        refused(court, Reverted("TooLong"), issuer, DIGEST, False, STATEMENT)
    assert len(court.call(WRITER, "recordGrant", "x" * 255, DIGEST, False, STATEMENT)) == 1


def test_issuer_and_origin_of_one_name_are_different_things(court: Contract) -> None:
    court.call(WRITER, "submit", ISSUER, 7, DIGEST, 0, [], 1, bytes(32))
    assert court.view("grantState", ISSUER, DIGEST) == NONE
    refused(court, Reverted("NotRegistered"), ISSUER, DIGEST, True, STATEMENT)


def test_bool_that_is_no_bool_is_refused(court: Contract) -> None:
    data = bytearray(court.data("recordGrant", ISSUER, DIGEST, True, STATEMENT))
    data[4 + 3 * 32 - 1] = 2
    with pytest.raises(Reverted) as found:
        court.send(WRITER, bytes(data))
    assert found.value == Reverted("")
