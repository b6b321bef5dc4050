"""Long random stories of calls, honest and not: each answer, each event and each view of a contract is its model's."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from tests.evm.contracts.chain import (
    ADMIN,
    OTHER,
    STRANGER,
    WRITER,
    Contract,
    Reverted,
    address,
    court_registry,
    new_anchor_log,
)
from tests.evm.contracts.model import AnchorLogModel, CourtModel, Facts
from tests.evm.contracts.mutations import OF_THE_CALL, Claim
from tests.evm.contracts.trees import dense_tree

SEED = 11
STORIES, CALLS = 40, 120
ACCOUNTS = (ADMIN, WRITER, OTHER, STRANGER)
ORIGINS = ("a", "b.example/log", "证据" * 40, "x" * 255)
BAD_ORIGINS = ("", "x" * 256)
SIZES = (0, 2**53 - 1, 2**53, 2**64 - 1)
TREES = [dense_tree(60, random.Random(seed)) for seed in (1, 2)]
DIGESTS = [bytes([n]) * 32 for n in range(3)]


def outcome(work: Callable[[], Facts | None]) -> Facts | Reverted | None:
    """The event's facts, nothing, or the refusal."""
    try:
        return work()
    except Reverted as refusal:
        return refusal


def on_chain(contract: Contract, sender: str, verb: str, values: tuple[object, ...]) -> Facts | None:
    """A call's one event or none."""
    events = contract.call(sender, verb, *values)
    assert len(events) <= 1
    return (events[0].name, *events[0].values) if events else None


def name_of(answer: Facts | Reverted | None) -> str:
    """For counting what a story has been through."""
    if answer is None:
        return "nothing"
    return answer.args[0] if isinstance(answer, Reverted) else str(answer[0])


def some_size(r: random.Random, last: int) -> int:
    """Mostly one that grows a little; others stay, shrink, or are out of bounds."""
    chosen = r.choice((last + 1, last + r.randrange(9), last + r.randrange(9), last, r.randrange(61), r.choice(SIZES)))
    return chosen if chosen in SIZES else min(chosen, 60)


def root_at(r: random.Random, size: int) -> bytes:
    """The root of the one tree, seldom of the other."""
    return r.choice((TREES[0], TREES[0], TREES[0], TREES[1])).root(size) if size <= 60 else bytes(32)


def name(r: random.Random) -> str:
    return r.choice(BAD_ORIGINS if r.randrange(30) == 0 else ORIGINS)


def growth(r: random.Random, model: CourtModel, space: str) -> tuple[object, ...]:
    """Arguments of `custody`: honest ones, or altered in one or several places."""
    origin = name(r)
    last = model.spaces[space][origin].last if origin in model.spaces[space] else (0, bytes(32))
    size, old_size = some_size(r, last[0]), last[0] if r.randrange(5) else r.choice((0, r.randrange(61), 2**64 - 1))
    tree = r.choice((TREES[0], TREES[0], TREES[0], TREES[1]))
    root = tree.root(size) if size <= 60 else r.randbytes(32)
    proof = tuple(tree.consistency_proof(old_size, size)) if old_size <= size <= 60 else ()
    if r.randrange(4) == 0:
        proof = r.choice(OF_THE_CALL)(Claim(max(old_size, 1), max(size, 1), proof, last[1], root), r).proof
    if r.randrange(40) == 0:
        proof = (bytes(32),) * r.choice((64, 65))
    return origin, size, root, old_size, list(proof)


def same_anchor_views(contract: Contract, model: AnchorLogModel) -> None:
    for origin in ORIGINS:
        if origin in model.logs:
            log = model.logs[origin]
            assert contract.view("last", origin) == log.last
            for size in range(61):
                assert contract.view("anchored", origin, size) == log.at(size)


def same_court_views(contract: Contract, model: CourtModel) -> None:
    for space, last, at in (("submit", "last", "accepted"), ("custody", "lastCustody", "acceptedCustody")):
        for origin, log in model.spaces[space].items():
            assert contract.view(last, origin) == log.last
            for size in {*log.entries, 0, 1, log.last[0] + 1}:
                assert contract.view(at, origin, size) == log.at(size)
    for issuer in ORIGINS:
        for digest in DIGESTS:
            assert contract.view("grantState", issuer, digest) == tuple(model.grants.get((issuer, digest), (0, 0)))
    assert contract.view("admin") == (model.admin,)
    for account in ACCOUNTS:
        assert contract.view("writers", account) == (account in model.writers,)


def anchor_story(r: random.Random) -> Counter[str]:
    contract, model, seen = new_anchor_log(), AnchorLogModel(), Counter[str]()
    for _ in range(CALLS):
        origin, sender = name(r), r.choice((WRITER, WRITER, WRITER, OTHER))
        last = model.logs[origin].last[0] if origin in model.logs else 0
        size = some_size(r, last)
        values = (origin, size, root_at(r, size))
        expected = outcome(lambda: model.anchor(sender, contract.number + 1, *values))
        assert outcome(lambda: on_chain(contract, sender, "anchor", values)) == expected, (sender, values)
        seen[name_of(expected)] += 1
    same_anchor_views(contract, model)
    return seen


def court_call(
    r: random.Random, model: CourtModel, number: int
) -> tuple[str, str, tuple[object, ...], Callable[[], Facts | None]]:
    """Sender, function, arguments, and the model's answer when it is asked for."""
    sender = r.choice((WRITER, WRITER, WRITER, WRITER, OTHER, STRANGER))
    verb = r.choice(
        ("submit", "submit", "submit", "custody", "recordGrant", "recordGrant", "setWriter", "transferAdmin")
    )
    if verb == "submit":
        submitted = (*growth(r, model, verb), r.choice((0, 1, 2**64 - 1)), r.randbytes(32))
        return sender, verb, submitted, lambda: model.submit(sender, number, submitted)
    if verb == "custody":
        head = growth(r, model, verb)
        return sender, verb, head, lambda: model.custody(sender, number, head)
    if verb == "recordGrant":
        length = 8193 if r.randrange(20) == 0 else r.choice((0, 31, 32, 33, 2000, 8192))
        grant = (name(r), r.choice(DIGESTS), r.random() < 0.6, r.randbytes(length))
        return sender, verb, grant, lambda: model.record_grant(sender, number, grant)
    sender = model.admin if r.randrange(3) else r.choice(ACCOUNTS)
    if verb == "setWriter":
        account, allowed = r.choice(ACCOUNTS), r.random() < 0.8
        return sender, verb, (account, allowed), lambda: model.set_writer(sender, account, allowed)
    following = r.choice((*ACCOUNTS, "0x" + "00" * 20))
    return sender, verb, (following,), lambda: model.transfer_admin(sender, following)


def court_story(r: random.Random) -> Counter[str]:
    contract, model, seen = Contract(court_registry(), address(ADMIN)), CourtModel(ADMIN), Counter[str]()
    contract.call(ADMIN, "setWriter", WRITER, True)
    model.set_writer(ADMIN, WRITER, True)
    for _ in range(CALLS):
        sender, verb, values, ask = court_call(r, model, contract.number + 1)
        expected = outcome(ask)
        assert outcome(lambda: on_chain(contract, sender, verb, values)) == expected, (sender, verb, values)
        seen[name_of(expected)] += 1
    same_court_views(contract, model)
    return seen


ANSWERS = {
    anchor_story: {"Anchored", "nothing", "NotOwner", "OtherRoot", "Smaller", "TooLong", "TooLarge"},
    court_story: {
        "CheckpointAccepted", "CustodyHead", "GrantRecorded", "WriterSet", "AdminSet", "nothing", "NotAdmin", "NoAdmin",
        "NotWriter", "OtherRoot", "Smaller", "NotLast", "NotConsistent", "NotRegistered", "TooLong", "TooLarge",
    },
}  # fmt: skip
"""Everything that a contract can say: a story that never meets one of them would show nothing of it."""


@pytest.mark.parametrize("story", ANSWERS)
def test_contract_and_model_tell_the_same_story(
    story: Callable[[random.Random], Counter[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    seen: Counter[str] = Counter()
    for number in range(STORIES):
        seen += story(random.Random(SEED * 1000 + number))
    with capsys.disabled():
        print(f"\n{story.__name__}, seed {SEED}: {dict(seen)}")
    assert set(seen) == ANSWERS[story]
