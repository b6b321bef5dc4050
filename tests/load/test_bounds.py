"""Every queue and cache has a limit: what waits in memory is bounded by a number, whoever sends it."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator

import pytest

from relay.core.merkle import range_hash
from relay.core.tile_reader import EDGE_QUARTERS_MAX, TileHashReader
from relay.core.tiles import TILE_WIDTH
from tests.support.house import ROOT, sources

BOUND_AT = {
    "Queue": (0, "maxsize"),
    "LifoQueue": (0, "maxsize"),
    "PriorityQueue": (0, "maxsize"),
    "deque": (1, "maxlen"),
    "lru_cache": (0, "maxsize"),
    "ThreadPoolExecutor": (0, "max_workers"),
    "Semaphore": (0, "value"),
}
"""Where the limit stands in a call: position, keyword."""
NEVER_BOUND = frozenset({"SimpleQueue", "cache", "OrderedDict"})
"""What has no limit of its own."""
EXCEPTIONS = {
    ("relay/durable/database.py", "SimpleQueue"): (
        "a write's caller waits for its answer, so that it holds as many as there are callers: at most RPCS_MAX calls of a server,"
        " the workers of its process, and AT_ONCE moves of each origin that are awaited together"
    ),
    ("relay/durable/one_thread.py", "SimpleQueue"): "its one user is the database: reads wait there as writes do above",
    ("relay/core/tile_reader.py", "OrderedDict"): "drops its oldest past `cache_quarters`; see the last test",
    ("adapters/tlog/tree.py", "OrderedDict"): "drops its oldest past CACHED_TILES; see tests/tlog/test_tile_cache.py",
}
"""(file, name) → what bounds it instead."""


def unbounded(source: str, limits: object = None) -> Iterator[tuple[int, str]]:
    """(line, name) of whatever is made without a limit. `limits`: the module, where names of limits are looked up."""
    tree = ast.parse(source)
    called = {id(part) for node in ast.walk(tree) if isinstance(node, ast.Call) for part in ast.walk(node.func)}
    typed = {id(part) for node in ast.walk(tree) for part in ast.walk(_annotation(node))}
    for node in ast.walk(tree):
        name = _name(node)
        if name and id(node) not in called | typed:
            loose = name in BOUND_AT or name in NEVER_BOUND  # to be called without arguments, wherever that is
        elif isinstance(node, ast.Call):
            name = _name(node.func)
            limited = name not in BOUND_AT or _has_limit(node, *BOUND_AT[name], limits)
            loose = name in NEVER_BOUND or not limited
        else:
            continue
        if loose:
            yield node.lineno, name


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _annotation(node: ast.AST) -> ast.AST:
    """The part of a node that says a type, or nothing."""
    for name in ("annotation", "returns"):
        part = getattr(node, name, None)
        if isinstance(part, ast.AST):
            return part
    return ast.Pass()


def _has_limit(call: ast.Call, position: int, keyword: str, limits: object) -> bool:
    """A limit that is a number above 0, the name of one, or an expression."""
    given = [call.args[position]] if len(call.args) > position else []
    given += [one.value for one in call.keywords if one.arg == keyword]
    if not given:
        return False
    (limit,) = given
    if isinstance(limit, ast.Constant):
        return isinstance(limit.value, int) and limit.value > 0
    if isinstance(limit, ast.Name) and limit.id.isupper():
        value = getattr(limits, limit.id, None)
        return isinstance(value, int) and value > 0
    return True


def found() -> dict[tuple[str, str], list[int]]:
    """(file, name) → lines, over the whole product."""
    rows: dict[tuple[str, str], list[int]] = {}
    for path in sources("relay", "adapters"):
        file = str(path.relative_to(ROOT))
        text = path.read_text()
        if not any(name in text for name in (*BOUND_AT, *NEVER_BOUND)):
            continue
        module = importlib.import_module(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        for line, name in unbounded(text, module):
            rows.setdefault((file, name), []).append(line)
    return rows


def test_every_queue_and_cache_has_a_limit() -> None:
    rows = found()
    new = {f"{file}:{lines}": name for (file, name), lines in rows.items() if (file, name) not in EXCEPTIONS}
    assert not new, "no limit, and no reason in EXCEPTIONS"
    assert set(rows) == set(EXCEPTIONS), "an exception that is none any more"


@pytest.mark.parametrize(
    "line",
    [
        "asyncio.Queue()",
        "asyncio.Queue[bytes](maxsize=0)",
        "Queue(NOWHERE)",
        "field(default_factory=asyncio.Queue)",
        "deque([1])",
        "deque(maxlen=None)",
        "lru_cache(maxsize=None)",
        "functools.cache(f)",
        "SimpleQueue()",
        "ThreadPoolExecutor()",
    ],
)
def test_rule_sees_what_has_no_limit(line: str) -> None:
    assert [number for number, _ in unbounded(f"x = {line}\n")] == [1]


@pytest.mark.parametrize(
    "line", ["asyncio.Queue(5)", "deque([], maxlen=5)", "deque([], 5)", "lru_cache(maxsize=2)", "Queue(self.most)"]
)
def test_rule_lets_limits_pass(line: str) -> None:
    assert not list(unbounded(f"x: asyncio.Queue[bytes] = {line}\n"))


class Zeros:
    """Tiles of a log that has every hash."""

    def read_hashes(self, _level: int, _start: int, count: int) -> bytes:
        return bytes(32 * count)

    def read_upper(self, _level: int, _tile: int) -> bytes:
        return bytes(32 * 6)


def test_cache_of_tiles_keeps_its_limit() -> None:
    """However many are read, by roots of any size and by single hashes."""
    size = 100 * TILE_WIDTH
    reader = TileHashReader(Zeros(), size, 4)
    for index in range(0, size, TILE_WIDTH // 8):
        reader.node(0, index)
        reader.inclusion_proof(index, size)
    assert len(reader._cache) == 4
    assert len(reader._partial) + len(reader._edges) < 5000


def test_a_growing_edge_keeps_a_few_quarters_of_any_level() -> None:
    """Roots of one older size after another pass the whole log once: none of it is worth a place that proofs could have."""
    size = 100 * TILE_WIDTH * TILE_WIDTH
    reader = TileHashReader(Zeros(), size, 1000)
    for older in [*range(1, 100 * TILE_WIDTH, 77), *range(1, size, 50 * TILE_WIDTH + 77)]:
        range_hash(0, older, reader)
    assert not reader._cache
    assert len(reader._growing) == EDGE_QUARTERS_MAX
    reader.inclusion_proof(5, size)
    assert (0, 0) in reader._cache
