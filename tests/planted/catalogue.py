"""The catalogue: a line of a module, what it is replaced with, and who must find it.

Finders: `sim A B` runs worlds of seeds A to B until one breaks a promise; `crash SCENARIO/MACHINE` kills at every point of a scenario;
anything else is a test file or test that must fail.
"""

from __future__ import annotations

from dataclasses import dataclass

MERKLE = "relay.core.merkle"
ADVANCE = "relay.services.forwarding.advance"
WATCH = "relay.services.forwarding.watch"
STORE = "relay.store.relay"
R = "tests/regression/"


@dataclass(frozen=True)
class Plant:
    """`text` stands exactly once in the module's source; with `bug` in its place the finder must complain."""

    name: str
    module: str
    text: str
    bug: str
    finder: str


PLANTS = (
    # proofs
    Plant("index beyond the tree", MERKLE, "if not 0 <= index < size <= TREE_SIZE_MAX:", "if index < 0:", R + "test_05_leaf_index_beyond_the_tree.py"),
    Plant("root not compared", MERKLE, "    if hashed != root:", "    if not root:", R + "test_02_field_left_out_of_the_hash.py"),
    Plant("side of the pair ignored", MERKLE, "pair = proof[i] + hashed if index >> i & 1 else hashed + proof[i]", "pair = min(proof[i], hashed) + max(proof[i], hashed)", "tests/core/test_merkle.py"),
    Plant("no domain of leaves", MERKLE, 'b"\\x00" + entry', "entry", R + "test_08_inner_node_offered_as_a_leaf.py"),
    Plant("hash of any length", MERKLE, "if any(len(h) != HASH_BYTES for h in hashes) or any(len(r) != HASH_BYTES for r in roots):", "if False:", R + "test_01_proof_with_more_bytes_around_a_node.py"),
    Plant("consistency from nothing", MERKLE, "if not 0 < size1 <= size2 <= TREE_SIZE_MAX:", "if size1 == 0:\n        return\n    if size1 > size2:", R + "test_10_empty_taken_for_proof.py"),
    Plant("equal sizes, other roots", MERKLE, "        if root1 != root2:", "        if not root2:", "tests/core/test_merkle.py"),
    Plant("consistency to any root", MERKLE, "if inner != subtree_root or outer != root:", "if inner != subtree_root:", "tests/core/test_merkle.py"),
    Plant("old tree not compared", MERKLE, "if inner != subtree_root or outer != root:", "if outer != root:", "tests/core/test_merkle.py"),
    # spellings
    Plant("base64 in many spellings", "relay.core.base64strict", "if base64.b64encode(data) != raw:", "if False:", R + "test_27_two_spellings_of_one_value.py"),
    Plant("base64url in many spellings", "relay.core.base64strict", 'if base64.urlsafe_b64encode(data).rstrip(b"=") != raw:', "if False:", "tests/core"),
    Plant("member twice", "relay.core.canonical", "if len(made) != len(pairs):", "if False:", R + "test_27_two_spellings_of_one_value.py"),
    Plant("big integers", "relay.core.canonical", "abs(int(text)) > JSON_INT_MAX", "False", R + "test_27_two_spellings_of_one_value.py"),
    Plant("endless nesting", "relay.core.canonical", "if depth == JSON_DEPTH_MAX:", "if False:", "tests/core"),
    # signatures
    Plant("key of small order", "relay.core.note", "if y >= _FIELD or y in _SMALL_ORDER:", "if False:", R + "test_25_signature_in_another_spelling.py"),
    Plant("any key for a JWS", "relay.core.jose", "if jws.kid != expected:", "if False:", "tests/core"),
    Plant("JWS never checked", "relay.core.jose", "if not check_ed25519(public_key, jws.signature, jws.signing_input):", "if False:", R + "test_25_signature_in_another_spelling.py"),
    Plant("no known key is enough", "relay.core.note", "    if not good:\n        raise Unverified(\"signature\", \"no known key signed this note\")", "    if False:\n        raise RuntimeError", R + "test_10_empty_taken_for_proof.py"),
    Plant("checkpoint of another log", "relay.core.checkpoint", "if checkpoint.origin != log_key.name:", "if False:", "tests/core/test_notes.py"),
    Plant("cosignature never checked", "relay.core.checkpoint", "if time_s > _TIME_S_MAX or not holds:", "if False:", "tests/core/test_notes.py"),
    # forwarding
    Plant("package not checked", "relay.services.mirroring", "check_proof(package, entries, before, self._target)", "pass", "sim 1 60"),
    Plant("root not rebuilt", ADVANCE, "if root != item.anchor.root:", "if False:", "tests/services/test_advance.py"),
    Plant("checkpoint and anchor not compared", "relay.services.forwarding.intake", "if item.anchor.root != checkpoint.root:", "if False:", "tests/services/test_forwarding.py"),
    Plant("anybody may push", "relay.services.forwarding.origins", "if room.config.custodian != identity:", "if False:", "tests/services"),
    Plant("uncertainty ends the worker", ADVANCE, "except (Unavailable, Uncertain) as error:", "except Unavailable as error:", "sim 1 60"),
    Plant("attempt epoch not stored", STORE, "attempt = attempt + 1 WHERE", "attempt = attempt WHERE", "sim 1 60"),
    Plant("larger checkpoint first", STORE, "ORDER BY size, height LIMIT 1\",\n                (origin,),", "ORDER BY size DESC, height LIMIT 1\",\n                (origin,),", "sim 1 60"),
    Plant("orphan never comes back", STORE, "time_ms = excluded.time_ms, state = excluded.state WHERE item.state = ?", "time_ms = excluded.time_ms, state = excluded.state WHERE item.state = ? AND 0", "sim 1 60"),
    Plant("rescan records nothing", STORE, "found = sum(_insert_anchor(c, anchor) for anchor in anchors)", "found = 0", "tests/services/test_hands.py"),
    Plant("cursor takes any block", STORE, "if block.height != height + 1 or (height and block.parent_hash != last):", "if block.height <= height:", "tests/store/test_relay_store.py"),
    Plant("move without comparing", STORE, "WHERE id = ? AND state = ?\", (new.value, reason, item, old.value)", "WHERE id = ? AND ? <> ''\", (new.value, reason, item, old.value)", "tests/store/test_relay_store.py"),
    Plant("final is what anybody says", WATCH, "await self._settle(head.final_height if recorded == head.block_hash else 0)", "await self._settle(head.final_height)", "sim 100 160"),
    Plant("finality never comes", STORE, "SELECT count(*) FROM item WHERE state = ? AND ledger = ? AND height <= ?\"", "SELECT count(*) FROM item WHERE state = ? AND ledger = ? AND height <= ? - 100000\"", "sim 1 10"),
    Plant("reorganisation not followed", WATCH, "if not stands:", "if False:", "sim 1 60"),
    Plant("nobody is woken by entries", "relay.services.forwarding.intake", "room.wake.set()", "pass", "sim 1 60"),
    Plant("nobody asks for a left-out anchor", "relay.services.forwarding.intake", "anchor = await source.find(checkpoint.origin, checkpoint.size)", "anchor = None", "tests/simulation/test_left_out.py"),
    Plant("left-out anchor taken before it is final", "relay.services.forwarding.intake", "return False  # its block is not final, and may leave the chain", "pass", "tests/services/test_left_out.py"),
    Plant("silent feed taken for an idle ledger", "relay.services.forwarding.feed", "if head.height > upto and not step.done():", "if False:", "sim 1 60"),
    Plant("acknowledged before the commit", "relay.store.mirror_log", "                await self._database.write(commit)", "                asyncio.ensure_future(self._database.write(commit))", "crash several packages/relay"),
    Plant("size never stored", "relay.store.mirror_log", "                await self._database.write(commit)", "                pass", "sim 1 60"),
    Plant("uncommitted entries kept", "relay.store.log_files", "        self._entries.truncate(committed_size * ROW_BYTES)\n", "", "crash several packages/relay"),
    Plant("court takes what does not extend", "relay.services.court.mirror", "if old_size != size:", "if False:", "tests/services"),
    Plant("anchor on another ledger", "relay.services.forwarding.origins", "return room is not None and room.config.ledger == ledger", "return room is not None", R + "test_16_event_of_a_wrong_emitter.py"),
    # long backlogs, silent lines
    Plant("covered without its root", "relay.services.forwarding.covering", "files.root(one.anchor.size) == one.anchor.root", "True", "tests/services/test_covering.py"),
    Plant("covered by itself", "relay.services.forwarding.covering", "one.anchor.size < size", "one.anchor.size <= size", "tests/services/test_covering.py"),
    Plant("covering passes over what is not final", "relay.services.forwarding.covering", "*takewhile(lambda one: one.state in _COVERABLE and one.anchor.size < size, waiting)", "*(one for one in waiting if one.state in _COVERABLE and one.anchor.size < size)", "tests/services/test_covering.py"),
    Plant("covering goes on in a halted origin", "relay.services.forwarding.covering", "while not await store.halted(origin):", "while True:", "tests/services/test_covering.py"),
    Plant("backlog read through everything that ever was", STORE, "if OPEN_STATES.issuperset(states):", "if False:", "tests/store/test_relay_queries.py"),
    Plant("counts of one ledger only", STORE, "sum(count for one, count in rows if one == state.value)", "dict(rows[:1]).get(state.value, 0)", "tests/store/test_relay_queries.py"),
    Plant("dead connection believed for a minute", "relay.transport.channels", '    ("grpc.http2.ping_timeout_ms", 10_000),', "   ", "tests/transport/test_silence.py"),
    Plant("pings limited under a name that gRPC does not know", "relay.transport.servers", "grpc.http2.min_ping_interval_without_data_ms", "grpc.http2.min_recv_ping_interval_without_data_ms", "tests/transport/test_silence.py"),
    # several workers
    Plant("number of a lease not compared", "relay.store.postgres.leases", "WHERE name = $1 AND token = $2 FOR SHARE", "WHERE name = $1 AND token >= $2 * 0 FOR SHARE", "tests/store/test_leases.py"),
    Plant("lease taken in the middle of a transaction", "relay.store.postgres.leases", "AND token = $2 FOR SHARE", "AND token = $2", "tests/store/test_leases.py"),
    Plant("lease taken before it has ended", "relay.store.postgres.leases", "WHERE lease.expires_at < clock_timestamp() RETURNING token", "RETURNING token", "tests/store/test_leases.py"),
    Plant("lost lease's job goes on", "relay.services.forwarding.sharing", "if beat is None or name not in beat.kept:", "if False:", "tests/store/test_leases.py"),
    Plant("append without comparing the size", "relay.store.postgres.mirror_log", "WHERE id = $1 AND size = $2\"", "WHERE id = $1 AND $2 = $2\"", "tests/store/test_postgres.py"),
    Plant("broken commit taken for nothing done", "relay.store.postgres.database", "raise Uncertain(", "raise Unavailable(", "tests/store/test_postgres.py"),
    Plant("replica is asked", "relay.store.postgres.schema", "if await connection.fetchval(\"SELECT pg_is_in_recovery()\"):", "if False:", R + "test_23_replica_that_lags_behind.py"),
    Plant("server without fsync is taken", "relay.store.postgres.schema", "if found.get(setting) != wanted:", "if setting not in found:", R + "test_19_settings_that_lose_what_was_acknowledged.py"),
    # storage
    Plant("cut back after an unknown commit", "relay.store.mirror_log", "                raise  # whether the commit", "                await asyncio.to_thread(self._files.truncate, old)\n                raise  # whether the commit", "tests/store/test_log_files.py"),
    Plant("tiles believed by their length", "relay.store.log_files", "held = min(trusted, self._size)", "held = self._size", "tests/store/test_log_files.py"),
    Plant("answered before the sync", "relay.store.log_files", "            self._entries.sync()\n", "", R + "test_18_answer_before_the_data_is_on_the_disk.py"),
    Plant("commits are not synced", "relay.durable.schema", "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL", "tests/durable/test_database.py"),
    Plant("newer schema opened", "relay.durable.schema", "if not 0 <= version <= newest:", "if version < 0:", "tests/durable/test_database.py"),
    Plant("foreign database opened", "relay.durable.schema", "if found != application and not (", "if False and not (", "tests/durable/test_database.py"),
)  # fmt: skip
