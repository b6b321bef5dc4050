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
AUDIT = "relay.core.custody_audit"
RESUME = "tests/evidence/test_resume_refused.py"
CHECKS = "relay.core.checks"
REVOCATION = "relay.transport.revocation"
SHARES = "relay.transport.limits"
ROTATION = "tests/evidence/test_key_rotation.py"
LISTS = "tests/transport/test_revocation.py"
R = "tests/regression/"
GRANTS = "relay.core.grants"
DISCLOSURE = "relay.services.custodian.disclosure"
A = "tests/authz/"
E = "tests/evm/"
P = "tests/projection/"
EVM = "adapters.evm.proof"
TRIE = "adapters.evm.trie"
SEALS = "adapters.evm.seals"
T = "tests/time/"
F = "tests/faults/"
TIMESTAMP = "relay.core.timestamp"
KEEPER = "relay.services.court.timestamps"
STEP_15 = "relay.core.verify_time"
STEP_16 = "relay.core.verify_statement"
DENIED = A + "test_denials.py::test_denied"


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
    Plant("big integers", "relay.core.canonical", "if not -JSON_INT_MAX <= item <= JSON_INT_MAX:", "if False:", R + "test_27_two_spellings_of_one_value.py"),
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
    Plant("anybody may push", "relay.services.forwarding.origins", "if room is None or room.config.custodian != identity:", "if room is None:", "tests/services"),
    Plant("uncertainty ends the worker", ADVANCE, "except (Unavailable, Uncertain) as error:", "except Unavailable as error:", "sim 1 60"),
    Plant("attempt epoch not stored", STORE, "attempt = attempt + 1 WHERE", "attempt = attempt WHERE", "sim 1 60"),
    Plant("larger checkpoint first", STORE, "ORDER BY size, height LIMIT 1\",\n                (origin, origin),", "ORDER BY size DESC, height LIMIT 1\",\n                (origin, origin),", "sim 1 60"),
    Plant("orphan never comes back", STORE, "\" WHERE item.state = ?\"", "\" WHERE item.state = ? AND 0\"", "sim 1 60"),
    Plant("rescan records nothing", STORE, "found = self._insert_anchors(c, anchors, ItemState.SEEN)", "found: Counter[str] = Counter()", "tests/services/test_hands.py"),
    Plant("cursor takes any block", STORE, "if block.height != height + 1 or (height and block.parent_hash != last):", "if block.height <= height:", "tests/store/test_relay_store.py"),
    Plant("move without comparing", STORE, "WHERE id = ? AND state = ?\", (new.value, reason, item, old.value)", "WHERE id = ? AND ? <> ''\", (new.value, reason, item, old.value)", "tests/store/test_relay_store.py"),
    Plant("final is what anybody says", WATCH, "await self._settle(head.final_height if recorded == head.block_hash else 0)", "await self._settle(head.final_height)", "tests/services/test_watch.py"),
    Plant("final block settles nothing below", WATCH, "if self.final_height < height - 1:", "if False:", "tests/services/test_watch.py"),
    Plant("those below a leap go first", "relay.services.forwarding.leaping", "if under_way := await store.items(UNDER_WAY, origin, 1):", "if under_way := ():", "tests/services/test_leaping.py"),
    Plant("finality never comes", STORE, "SELECT count(*) FROM item WHERE state = ? AND ledger = ? AND height <= ?\"", "SELECT count(*) FROM item WHERE state = ? AND ledger = ? AND height <= ? - 100000\"", "sim 1 10"),
    Plant("reorganisation not followed", WATCH, "if not stands:", "if False:", "sim 1 60"),
    Plant("nobody is woken by entries", "relay.services.forwarding.intake", "size=checkpoint.size)\n    room.wake.set()", "size=checkpoint.size)", "sim 1 60"),
    Plant("nobody asks for a left-out anchor", "relay.services.forwarding.intake", "anchor = await source.find(checkpoint.origin, checkpoint.size)", "anchor = None", "tests/simulation/test_left_out.py"),
    Plant("left-out anchor taken before it is final", "relay.services.forwarding.intake", "return None  # its block is not final, and may leave the chain", "pass", "tests/services/test_left_out.py"),
    Plant("silent feed taken for an idle ledger", "relay.services.forwarding.feed", "if head.height > upto and not step.done():", "if False:", "sim 1 60"),
    Plant("acknowledged before the commit", "relay.store.mirror_log", "                await self._database.write(commit)", "                asyncio.ensure_future(self._database.write(commit))", "crash several packages/relay"),
    Plant("size never stored", "relay.store.mirror_log", "                await self._database.write(commit)", "                pass", "sim 1 60"),
    Plant("uncommitted entries kept", "relay.store.log_files", "        self._entries.truncate(committed_size * ROW_BYTES)\n", "", "crash several packages/relay"),
    Plant("court takes what does not extend", "relay.services.court.mirror", "if old_size != size:", "if False:", "tests/services"),
    Plant("anchor on another ledger", "relay.services.forwarding.origins", "return room is not None and room.config.ledger == ledger", "return room is not None", R + "test_16_event_of_a_wrong_emitter.py"),
    # who may see it
    Plant("valid in the second of its end", GRANTS, "(now_s >= grant.exp,", "(now_s > grant.exp,", A + "test_two_evaluators.py"),
    Plant("revoked at time zero is not revoked", GRANTS, "if revoked_at_s is not None:", "if revoked_at_s:", A + "test_two_evaluators.py"),
    Plant("mode ignored", GRANTS, 'access.mode != "verify" and grant.mode != "retrieve",', "False,", DENIED + "[mode-verify-used-to-retrieve]"),
    Plant("privileged opened by the star", GRANTS, " and confidentiality in ORDINARY_CONFIDENTIALITY", "", A + "test_two_evaluators.py"),
    Plant("truth value taken for a count", GRANTS, "and type(uses_spent) is int", "and isinstance(uses_spent, int)", A + "test_two_evaluators.py"),
    Plant("uses not counted", "relay.store.disclosures", "SET uses_spent = uses_spent + 1", "SET uses_spent = uses_spent", DENIED + "[uses-exhausted]"),
    Plant("nonce not stored", "relay.store.disclosures", 'if c.execute("INSERT INTO nonce VALUES (?) ON CONFLICT DO NOTHING", (nonce,)).rowcount != 1:', "if not nonce:", DENIED + "[replayed-nonce]"),
    Plant("revocation not seen in mid-stream", DISCLOSURE, "if held is None or held.revoked_ms:", "if held is None:", A + "test_denials.py::test_revoked_in_mid_stream_ends_with_a_refusal"),
    Plant("refusal in mid-stream taken for an end", "relay.wire.relay_client", "                yield relay_pb2.AnswerChunk(refusal=relay_pb2.AnswerRefusal(request_id=request_id))\n                return\n", "                pass\n", A + "test_denials.py::test_revoked_in_mid_stream_ends_with_a_refusal"),
    Plant("expired trust roots disclose", DISCLOSURE, "if stale := self._trust.why_stale(now_s):", 'if stale := "":', DENIED + "[stale-trust-roots]"),
    Plant("older trust roots used again", "relay.app.trust", "if trust.version < version:", "if False:", A + "test_trust_roots.py::test_older_version_than_the_one_last_used_is_refused"),
    Plant("reason told outside", "relay.transport.status", "return CODES[kind], DENIED_TEXT, tuple(trailer)", "return CODES[kind], error.reason, tuple(trailer)", DENIED + "[other-case]"),
    Plant("somebody else's origin told from nobody's", "relay.services.forwarding.origins", "room = self._rooms.get(origin)\n        if room is None or", "room = self.room(origin)\n        if room is None or", A + "test_lenders.py::test_another_lender_on_the_wire_gets_one_answer_whatever_it_names"),
    Plant("records in a log", DISCLOSURE, "return dossier, tuple(await self._store.records(dossier.id))", 'records = tuple(await self._store.records(dossier.id))\n        log.debug("%s", records)\n        return dossier, records', A + "test_traffic.py::test_a_whole_run_leaves_nothing_of_any_dossier_with_anybody_but_the_court_that_may"),
    Plant("refusal that cannot be logged", "relay.core.fields", 'return unicodedata.normalize("NFC", seen)[:chars_max].strip()', "return seen[:chars_max].strip()", A + "test_hostile.py::test_words_that_quote_anything_can_be_logged"),
    # disclosure
    Plant("resume without a chunk's bound", DISCLOSURE, "if resume.chunk >= chunk_count(plan.size):", "if False:", RESUME),
    Plant("another plaintext under the same key", DISCLOSURE, "if plan.digest != kept.plan:", "if False:", RESUME),
    Plant("resume under another grant", DISCLOSURE, "if kept is None or kept.grant != grant.digest:", "if kept is None:", RESUME),
    Plant("resume of a stream begun long ago", DISCLOSURE, "if self._clock.now_ms() - kept.begun_ms > RESUMABLE_MS:", "if False:", RESUME),
    Plant("resume spends no nonce", "relay.store.disclosures", "            _spend_nonce(c, nonce)\n            if c", "            if c", RESUME),
    Plant("resume by anybody's key", DISCLOSURE, "        verify_jws(asked.jws, grant.request_key)\n", "", RESUME),
    Plant("payload changed before a resume", DISCLOSURE, "        await asyncio.to_thread(self._planner.still_whole, plan, resume.chunk * CHUNK_PLAINTEXT_BYTES)\n", "", "tests/evidence/test_resume.py"),
    Plant("another header at a resume", "relay.services.court.asking", "elif header != under.header:", "elif not header:", RESUME),
    Plant("staged chunk not compared with its digest", "relay.services.court.staging", "if len(data) != size or hashlib.sha256(data).digest() != digest:", "if len(data) != size:", "tests/evidence/test_resume.py"),
    Plant("stream taken up from its beginning", "relay.services.custodian.disclosure", "sealer = StreamSealer(permitted.stream, permitted.first)", "sealer = StreamSealer(permitted.stream, 0)", "tests/evidence/test_resume.py"),
    Plant("cut stream taken for its end", "relay.services.court.retrieval", "            if not arrival.complete:\n", "            if False:\n", "tests/evidence/test_bad_streams.py"),
    Plant("broken answer taken for a finished one", "relay.wire.relay_server", "    raise Malformed(\"answer\", \"end\", \"the stream broke off before its end was said\")\n", "    return\n", "tests/wire/test_answers.py"),
    Plant("members beyond the scope sent", "relay.services.custodian.planning", "if not opens_member(grant, kind=record.kind, member=name)", "if False", "tests/evidence/test_scope.py"),
    Plant("payloads beyond the scope sent", "relay.services.custodian.planning", "if not opens_payloads(grant, kind=record.kind):", "if False:", "tests/evidence/test_scope.py"),
    Plant("members beyond the scope accepted", "relay.core.checks", "    if beyond:\n", "    if False:\n", "tests/evidence/test_scope.py"),
    Plant("records beyond the scope accepted", "relay.core.checks", "if not opens(grant, kind=record.kind, confidentiality=record.confidentiality):", "if False:", "tests/evidence/test_scope.py"),
    Plant("payloads beyond the scope accepted", "relay.core.checks", "if not opens_payloads(grant, kind=entry.kind):", "if False:", "tests/evidence/test_scope.py"),
    Plant("withheld without a word", "relay.core.checks", "if record.hidden != len(entry.members):", "if False:", "tests/evidence/test_scope.py"),
    Plant("mediation confidences at a trial", "relay.core.grants", 'if confidentiality == MEDIATION_PRIVILEGED and grant.purpose_class != "mediation":', "if False:", "tests/schemas/test_profiles.py"),
    Plant("scope of kinds that do not open", "relay.core.scope", "        if kind not in kinds:\n            raise fields.refuse", "        if False:\n            raise fields.refuse", "tests/core/test_scope.py"),
    Plant("altered payload taken for whole", "relay.services.custodian.planning", '                unsent[name] = "altered"', "                pass", "tests/evidence/test_bad_streams.py"),
    Plant("lost payload called altered", "relay.services.custodian.planning", '                unsent[name] = "lost"', '                unsent[name] = "altered"', "tests/evidence/test_bad_streams.py"),
    Plant("hole in the list passes", "relay.core.verify", "    if holes.missing:\n", "    if False:\n", "tests/evidence/test_completeness.py"),
    Plant("hole in the log passes", "relay.core.verify_completeness", "    if statement.holes:\n", "    if False:\n", "tests/evidence/test_completeness.py"),
    Plant("doubled tag passes", "relay.services.court.lookup", "if len(found) > 1", "if False", "tests/evidence/test_completeness.py"),
    Plant("dossier that grows while it is retrieved called cut", "relay.services.court.lookup", "        if later:", "        if False:", "tests/evidence/test_completeness.py"),
    Plant("growth excuses what was accepted before the request", "relay.services.court.lookup", "for i in found if i >= asked_size", "for i in found if i >= 0 * asked_size", "tests/evidence/test_completeness.py"),
    Plant("late addition not noted", "relay.core.verify_completeness", "if e.registered_ms and anchored > e.registered_ms:", "if False:", "tests/evidence/test_completeness.py"),
    Plant("first disclosure forgotten", "relay.core.verify_completeness", "if statement.first_size and state.index >= statement.first_size:", "if False:", "tests/evidence/test_completeness.py"),
    # long backlogs, silent lines
    Plant("covered without its root", "relay.services.forwarding.covering", "files.root(one.anchor.size) == one.anchor.root", "True", "tests/services/test_covering.py"),
    Plant("covered by itself", "relay.services.forwarding.covering", "one.anchor.size < size", "one.anchor.size <= size", "tests/services/test_covering.py"),
    Plant("covering passes over what is not final", "relay.services.forwarding.covering", "*takewhile(lambda one: one.state in _COVERABLE and one.anchor.size < size, waiting)", "*(one for one in waiting if one.state in _COVERABLE and one.anchor.size < size)", "tests/services/test_covering.py"),
    Plant("covering goes on in a halted origin", "relay.services.forwarding.covering", "while not await store.halted(origin):", "while True:", "tests/services/test_covering.py"),
    Plant("backlog read through everything that ever was", STORE, "if OPEN_STATES.issuperset(states):", "if False:", "tests/store/test_relay_queries.py"),
    Plant("counts of one origin only", "relay.store.rows", "for one in by_origin.values()", "for one in [*by_origin.values()][:1]", "tests/store/test_relay_queries.py"),
    Plant("dead connection believed for a minute", "relay.transport.channels", '    ("grpc.http2.ping_timeout_ms", 10_000),', "   ", "tests/transport/test_silence.py"),
    Plant("pings limited under a name that gRPC does not know", "relay.transport.servers", "grpc.http2.min_ping_interval_without_data_ms", "grpc.http2.min_recv_ping_interval_without_data_ms", "tests/transport/test_silence.py"),
    # batches
    Plant("same request, second grant", "relay.services.custodian.grants", "            if held is None:\n                return await self._issue(command)\n        if", "            return await self._issue(command)\n        if", "tests/batch/test_same_request_again.py"),
    Plant("two calls of one request at once", "relay.services.custodian.grants", "        async with lock:\n            yield\n", "        yield\n", "tests/batch/test_same_request_again.py"),
    Plant("request id for another grant", "relay.services.custodian.grants", "if held.command != command.digest:", "if False:", "tests/batch/test_same_request_again.py"),
    Plant("finished retrieval made again", "relay.services.court.once", "        if held.bundle_id:", "        if False:", "tests/batch/test_same_request_again.py"),
    Plant("caller that hangs up ends the retrieval", "relay.services.court.once", "yield await asyncio.shield(task)", "yield await task", "tests/batch/test_same_request_again.py"),
    Plant("bundle under the name of an earlier call", "relay.services.court.retrieval", "        under.request_id = request_id\n", "", "tests/batch/test_same_request_again.py"),
    Plant("retrieval's name stored afterwards", "relay.services.court.once", "        held = await self._store.begin_named(command.request_id, _digest(command))\n", "        from relay.ports.court import NamedRetrieval\n        held = NamedRetrieval(attempts=1, bundle_id='', bundle_bytes=0, verdict=b'')\n", "tests/batch/test_same_request_again.py"),
    Plant("bundle not recorded under its name", "relay.store.named", 'c.execute("UPDATE named_retrieval SET bundle = ? WHERE request_id = ?", (bundle, request_id))', "pass", "tests/batch/test_same_request_again.py"),
    Plant("request id for another retrieval", "relay.store.named", "    elif row[0] != command:", "    elif False:", "tests/batch/test_same_request_again.py"),
    Plant("request ids alike in every batch", "relay.core.batch", "_REQUEST_DOMAIN + batch + row", "_REQUEST_DOMAIN + row", "tests/batch/test_manifest.py"),
    Plant("duplicate case passes", "relay.core.batch", "        if first != number:", "        if False:", "tests/batch/test_manifest.py"),
    Plant("quote inside a field passes", "relay.core.batch", "            if '\"' in cell:", "            if False:", "tests/batch"),
    Plant("row of another width passes", "relay.core.batch", "        if len(cells) != len(names):\n", "        cells = (cells + [''] * len(names))[: len(names)]\n        if False:\n", "tests/batch"),
    Plant("spreadsheet calculates an outcome", "relay.core.batch", "if cell[:1] in (", "if cell[:2] in (", "tests/batch/test_manifest.py"),
    Plant("intent not stored before the grant", "relay.services.batching.run", "        await self._state.save(replace(held, state=RowState.GRANTING))\n", "", "tests/batch/test_run.py"),
    Plant("intent not stored before the retrieval", "relay.services.batching.run", "        await self._state.save(held)\n        got", "        got", "tests/batch/test_run.py"),
    Plant("one row's error ends the batch", "relay.services.batching.run", "        except RelayError as error:\n", "        except Malformed as error:\n", "tests/batch/test_run.py"),
    Plant("away means failed", "relay.services.batching.run", "        except (Unavailable, Uncertain):\n            raise\n", "", "tests/batch/test_run.py"),
    Plant("finished rows done again", "relay.services.batching.run", "if (known in _FINAL and not once_more)", "if False", "tests/batch/test_run.py"),
    Plant("grant of another case used", "relay.services.batching.run", "        if grant.case != row.case:", "        if False:", "tests/batch/test_run.py"),
    Plant("grant for another court used", "relay.services.batching.run", "        if row.court and grant.aud != row.court:", "        if False:", "tests/batch/test_run.py"),
    Plant("destination given up at once", "relay.services.batching.pace", "self.given_up = now - self._away_since_s > self._patience_s", "self.given_up = True", "tests/batch/test_run.py"),
    Plant("no pace", "relay.services.batching.pace", "                self._next_s = max(now, self._next_s) + self._interval_s\n", "", "tests/batch/test_run.py"),
    Plant("batch goes on with another manifest", "relay.store.batch", "if held is None or held.manifest != head.manifest:", "if held is None:", "tests/batch/test_run.py"),
    # several workers
    Plant("number of a lease not compared", "relay.store.postgres.leases", "WHERE name = $1 AND token = $2 FOR SHARE", "WHERE name = $1 AND token >= $2 * 0 FOR SHARE", "tests/store/test_leases.py"),
    Plant("lease taken in the middle of a transaction", "relay.store.postgres.leases", "AND token = $2 FOR SHARE", "AND token = $2", "tests/store/test_leases.py"),
    Plant("lease taken before it has ended", "relay.store.postgres.leases", "WHERE lease.expires_at < clock_timestamp() RETURNING token", "RETURNING token", "tests/store/test_leases.py"),
    Plant("a worker that stands in the middle of a transaction keeps its locks", "relay.store.postgres.leases", "await end_standing(self._database)", "pass", "tests/store/test_leases.py"),
    Plant("lost lease's job goes on", "relay.services.forwarding.sharing", "if beat is None or name not in beat.kept:", "if False:", "tests/store/test_leases.py"),
    Plant("append without comparing the size", "relay.store.postgres.mirror_log", "WHERE id = $1 AND size = $2\"", "WHERE id = $1 AND $2 = $2\"", "tests/store/test_postgres.py"),
    Plant("broken commit taken for nothing done", "relay.store.postgres.database", "raise Uncertain(", "raise Unavailable(", "tests/store/test_postgres.py"),
    Plant("replica is asked", "relay.store.postgres.schema", "if await connection.fetchval(\"SELECT pg_is_in_recovery()\"):", "if False:", R + "test_23_replica_that_lags_behind.py"),
    Plant("server without fsync is taken", "relay.store.postgres.schema", "if found.get(setting) != wanted:", "if setting not in found:", R + "test_19_settings_that_lose_what_was_acknowledged.py"),
    # custody logs
    Plant("altered custody event passes", AUDIT, "elif entry and entry != made:", "elif False:", "tests/custody/test_tampered_logs.py"),
    Plant("removed custody event passes", AUDIT, "        if not event:\n", "        if not event:\n            return\n        if False:\n", "tests/custody/test_tampered_logs.py"),
    Plant("event beyond the log passes", AUDIT, "if index >= self._state.size:", "if False:", "tests/custody/test_tampered_logs.py"),
    Plant("hole in a custody export passes", AUDIT, "elif self._head.complete and index > self._next:", "elif False:", "tests/custody/test_exports.py"),
    Plant("custody proof of another event passes", AUDIT, "            verify_inclusion(leaf_hash(made), index, self._state.size, proof.hashes, self._state.root)\n", "", "tests/custody/test_exports.py"),
    Plant("custody tree not compared with its head", AUDIT, "if self._tree.frontier.root() != self._state.root:", "if False:", "tests/custody/test_tampered_logs.py"),
    Plant("custody tree not compared with the ledger", AUDIT, "if self._head.complete and self._tree.root_at_stop.hex() != root:", "if False:", "tests/custody"),
    Plant("shorter custody log than the ledger's", AUDIT, "        if size > self._state.size:\n            gone", "        if size > self._state.size:\n            return \"\"\n            gone", "tests/custody/test_tampered_logs.py"),
    Plant("custody head signed by anybody", AUDIT, "                verify_checkpoint(self._head.checkpoint, VerifierKey.ed25519(key.name, key.public_key))\n", "                pass\n", "tests/custody/test_exports.py"),
    Plant("term of an export not made again", "relay.core.custody_export", "    if again != line:", "    if False:", "tests/custody/test_exports.py"),
    Plant("head of an export not made again", "relay.core.custody_export", "    if head_line(head) != line:", "    if False:", "tests/custody/test_exports.py"),
    Plant("cut export passes", "relay.app.custody", "    raise Malformed(_WHAT, \"end\", \"is missing: the file was cut off\")\n", "    return\n", "tests/custody/test_exports.py"),
    Plant("damage hidden by a filter", "relay.store.custody_rows", "ELSE 1 END", "ELSE 0 END", "tests/custody/test_reading.py"),
    Plant("refused without being logged", DISCLOSURE, "        await self._store.append_custody(self._refusal(proven.subject, \"refused\", str(refusal)))\n", "        asyncio.ensure_future(self._store.append_custody(self._refusal(proven.subject, \"refused\", str(refusal))))\n", "tests/custody/test_fail_closed.py"),
    Plant("disclosed before it is logged", DISCLOSURE, "await self._store.begin_disclosure(\n                grant.digest, grant.uses, request.nonce, event, dossier, kept, now_ms - RESUMABLE_MS\n            )", "asyncio.ensure_future(self._store.begin_disclosure(grant.digest, grant.uses, request.nonce, event, dossier, kept, now_ms - RESUMABLE_MS))", "tests/custody/test_fail_closed.py"),
    Plant("court asks before it has logged", "relay.services.court.custody", "            (index,) = await self._store.append_custody([event])", "            asyncio.ensure_future(self._store.append_custody([event]))\n            index = 0", "tests/custody/test_fail_closed.py"),
    # keys and identities
    Plant("grant judged by its own date alone", CHECKS, "    trust.key_for_kid(\"grant\", grant.jws.kid, grant.iss, fact.time_ms)\n", "", ROTATION + "::test_grant_dated_back_with_a_stolen_key_is_refused_by_the_ledgers_time"),
    Plant("cosignature dated back", CHECKS, "if time_s * 1000 < anchored_ms - FUTURE_SKEW_S * 1000:", "if False:", ROTATION + "::test_cosignature_dated_before_the_anchor_counts_for_nobody"),
    Plant("seal dated back", "relay.core.verify", "            if fact.time_ms > (manifest.made_at_s + FUTURE_SKEW_S) * 1000:\n                raise Unverified(\"receipt\"", "            if False:\n                raise Unverified(\"receipt\"", ROTATION + "::test_seal_dated_before_its_own_evidence_does_not_hold"),
    Plant("log key of any period", CHECKS, "        if not why_not:", "        if True:", ROTATION + "::test_stolen_log_key_anchors_nothing_that_counts"),
    Plant("relay takes a log key that has ended", "relay.services.forwarding.intake", "room.check_period(note, item.anchor.time_ms)", "pass", ROTATION + "::test_stolen_log_key_anchors_nothing_that_counts"),
    Plant("ledger counts a grant key that has ended", "adapters.embedded.rules", "if key is None or not key.valid(now_ms):", "if key is None:", ROTATION + "::test_ledger_takes_no_statement_of_an_ended_grant_key"),
    Plant("stolen request key is answered", "relay.services.custodian.disclosure", "self._trust.refuse_revoked(\"request\", asked.jws.kid, asked.iss, now_s * 1000)", "pass", ROTATION + "::test_custodian_answers_no_stolen_request_key"),
    Plant("stolen request key in evidence", CHECKS, "trust.refuse_revoked(\"request\", request.jws.kid, grant.aud, request.iat * 1000)", "pass", ROTATION + "::test_request_key_outlives_its_period_but_not_its_revocation"),
    Plant("old request key forgotten", "relay.services.court.asking", "for key in self._request_keys:", "for key in self._request_keys[:1]:", ROTATION + "::test_all_keys_change_in_the_middle_and_both_halves_hold"),
    Plant("checkpoint under way keeps its old signature", "relay.services.custodian.anchoring", "        await self._sign_open()\n        async with", "        async with", ROTATION + "::test_stolen_log_key_anchors_nothing_that_counts"),
    Plant("revoked certificate let in", REVOCATION, "if peer.certificate.serial_number in held.serials:", "if False:", LISTS + "::test_older_list_is_refused_and_the_newer_stays"),
    Plant("older list taken", REVOCATION, "if old is not None and (new.number, new.made) < old:", "if False:", LISTS + "::test_older_list_is_refused_and_the_newer_stays"),
    Plant("list that ran out still counts", REVOCATION, "if held.next_due <= datetime.datetime.now(datetime.UTC):", "if False:", LISTS + "::test_list_that_has_run_out_lets_nobody_in"),
    Plant("authority of another trust domain", REVOCATION, "if not issued_by(peer.certificate, held.authority):", "if False:", LISTS + "::test_authority_of_one_trust_domain_speaks_for_no_other"),
    Plant("list that nobody signed", REVOCATION, "next((ca for ca in authorities if _signed(found, ca)), None)", "authorities[0]", LISTS + "::test_list_of_another_authority_of_the_same_name_is_refused"),
    Plant("part of a list taken for all of it", REVOCATION, "if extension.critical or not isinstance(extension.value, _UNDERSTOOD):", "if False:", LISTS + "::test_list_with_one_thing_wrong_is_refused"),
    Plant("share never spent", SHARES, "            self.tokens -= 1.0\n", "", "tests/transport/test_limits.py"),
    Plant("one share for all callers", SHARES, "        now = self._clock()\n", "        now, caller = self._clock(), \"\"\n", "tests/transport/test_limits.py"),
    Plant("open calls not counted", SHARES, "if self._open.get(caller, 0) >= self._limits.calls_open:", "if False:", "tests/transport/test_limits.py"),
    Plant("metadata not counted", "relay.transport.gate", "    if size > METADATA_BYTES_MAX:", "    if False:", "tests/transport/test_limits.py"),
    Plant("PIN tried again and again", "relay.setup.tokens", "if self._refused:", "if False:", "tests/keys/test_tokens.py"),
    Plant("signature of a token believed", "relay.setup.token_keys", "if not check_ed25519(self._public, signature, message):", "if False:", "tests/keys/test_tokens.py"),
    Plant("readable key in a token", "relay.setup.token_keys", "if not key[Attribute.SENSITIVE]:", "if False:", "tests/keys/test_tokens.py"),
    Plant("first of two keys taken", "relay.setup.token_keys", "    if len(found) > 1:", "    if False:", "tests/keys/test_tokens.py"),
    # retention and erasure
    Plant("hold is not looked at", "relay.services.custodian.retention", "for hold in dossier.outline.held", "for hold in ()", "tests/retention/test_refusals.py::test_nothing_is_erased_under_hold_whatever_the_policy"),
    Plant("hold placed in between is not looked at", "relay.store.custodian_erasure", "if held is not None:", "if False:", "tests/retention/test_refusals.py::test_hold_placed_while_an_erasure_is_planned_stops_it"),
    Plant("retention is not looked at", "relay.services.custodian.retention", "(r.due_s is None or r.due_s > now_s)", "False", "tests/retention/test_refusals.py::test_last_moment_of_the_retention_counts"),
    Plant("no years means none", "relay.core.retention", "if rule is None or rule.years is None:\n        return None", "if rule is None or rule.years is None:\n        return event_s", "tests/core/test_retention.py"),
    Plant("closure that has not come is the record itself", "relay.core.retention", "if not begins:\n        return None", "if not begins:\n        begins = [event_s]", "tests/core/test_retention.py"),
    Plant("grant in force is not looked at", "relay.services.custodian.retention", "if not despite_grants:", "if False:", "tests/retention/test_refusals.py::test_live_grant_stands_against_it_and_a_dead_one_does_not"),
    Plant("key of the dossier kept", "relay.store.custodian_erasure", '("record", "dossier"), ("dossier", "id")):', '("record", "dossier")):', "tests/retention/test_bytes_on_disk.py::test_whole_dossier_leaves_nothing_but_its_tombstone"),
    Plant("data key kept after records were erased", "relay.store.custodian_erasure", "fresh = DossierKeys(dossier=keys.dossier, data=secrets.token_bytes(KEY_BYTES))", "fresh = keys", "tests/retention/test_bytes_on_disk.py::test_single_records_leave_nothing_and_the_others_stay"),
    Plant("digest of the deposit kept", "relay.store.custodian_erasure", "sealed_text = x'', input_digest = x'' WHERE", "sealed_text = x'' WHERE", "tests/retention/test_bytes_on_disk.py::test_digest_of_what_was_deposited_is_gone_too"),
    Plant("log of the database not emptied", "relay.store.custodian_erasure", "await self._database.empty_log()", "pass", "tests/retention/test_bytes_on_disk.py::test_whole_dossier_leaves_nothing_but_its_tombstone"),
    Plant("deleted bytes stay in their pages", "relay.durable.schema", "PRAGMA secure_delete = ON", "PRAGMA secure_delete = OFF", "tests/retention/test_bytes_on_disk.py::test_whole_dossier_leaves_nothing_but_its_tombstone"),
    Plant("payload files kept", "relay.services.custodian.erasure", "self._vault.forget(blob)", "pass", "tests/retention/test_bytes_on_disk.py::test_whole_dossier_leaves_nothing_but_its_tombstone"),
    Plant("begun erasure is forgotten", "relay.services.custodian.erasure", "unfinished = await self._store.unfinished()", "unfinished = (await self._store.unfinished()) if self._running else []", "tests/retention/test_crashes.py::test_worker_goes_on_by_itself"),
    Plant("erasure does not wait for an answer", "relay.services.custodian.erasure", "await self._quiet(held.dossier)", "pass", "tests/retention/test_erased_at_court.py::test_erasure_waits_for_an_answer_under_way"),
    Plant("disclosure begins after the erasure has", "relay.store.disclosures", "if found != dossier.erasures:", "if False:", "tests/retention/test_erased_at_court.py::test_disclosure_that_was_checked_before_the_erasure_began_does_not_begin_after_it"),
    Plant("kept disclosure outlives the erasure", "relay.store.custodian_erasure", 'c.execute("DELETE FROM disclosure WHERE dossier = ?", (erasure.dossier,))', "pass", "tests/retention/test_kept_disclosures.py::test_kept_disclosure_leaves_no_byte_and_is_not_taken_up[whole]"),
    Plant("resume begins after the erasure has", "relay.store.disclosures", 'if c.execute("SELECT 1 FROM disclosure WHERE request = ?", (request,)).fetchone() is None:', "if False:", "tests/retention/test_kept_disclosures.py::test_resume_that_was_checked_before_the_erasure_began_does_not_begin_after_it"),
    Plant("erasure does not wait for a resumed answer", DISCLOSURE, "        with self._under_way(dossier.id):\n            await self._store.resume_disclosure(", "        if True:\n            await self._store.resume_disclosure(", "tests/retention/test_kept_disclosures.py::test_erasure_waits_for_an_answer_that_was_taken_up"),
    Plant("disclosure of a re-keyed dossier keeps the old key", "relay.store.custodian_erasure", 'c.execute("UPDATE disclosure SET sealed = ? WHERE request = ?", (again, request))', "pass", "tests/retention/test_kept_disclosures.py::test_disclosure_begun_while_records_are_being_erased_can_be_taken_up_afterwards"),
    Plant("begun erasure still shown", "relay.store.custodian_rows", 'LIVING: Final = "NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.dossier = dossier.id AND t.whole = 1)"', 'LIVING: Final = "1"', "tests/retention/test_crashes.py::test_erasure_killed_at_every_step_is_complete_after_the_next_start[whole]"),
    Plant("erased dossier deposited again", "relay.services.custodian.deposit", "            if held.whole:\n                said", "            if False:\n                said", "tests/retention/test_refusals.py::test_erased_dossier_does_not_come_back"),
    Plant("tombstone's signature not checked", "relay.core.tombstone", "    verify_jws(tombstone.jws, key.public_key)", "    del key", "tests/core/test_tombstone.py"),
    Plant("erased without a tombstone", "relay.core.tombstone", 'if (entry.status == "erased") != (found is not None):', 'if found is not None and entry.status != "erased":', "tests/core/test_tombstone.py"),
    Plant("erased record disclosed", "relay.core.tombstone", 'if (entry.status == "erased") != (found is not None):', 'if found is None and entry.status == "erased":', "tests/core/test_tombstone.py"),
    Plant("date and basis not compared", "relay.core.tombstone", "if found and (entry.index, entry.erased_s, entry.reason) !=", "if found and False and () !=", "tests/core/test_tombstone.py"),
    Plant("tombstones not looked at by the court", "relay.core.checks", "    check_erased(manifest.entries, manifest.tombstones, lender=manifest.iss, dossier=dossier, trust=trust)\n", "", "tests/retention/test_erased_at_court.py::test_lender_takes_the_tombstone_out"),
    Plant("report not logged", "relay.services.custodian.report", "        await self._records.append_custody(self._event(dossier, actor))\n", "", "tests/retention/test_subject_report.py"),
    Plant("access to others in the report", "relay.services.custodian.report", 'return event.subject["dossier"] == dossier', "return True", "tests/retention/test_subject_report.py::test_report_says_nothing_of_another_dossier_under_the_same_grant"),
    # storage
    Plant("cut back after an unknown commit", "relay.store.mirror_log", "                raise  # whether the commit", "                await asyncio.to_thread(self._files.truncate, old)\n                raise  # whether the commit", "tests/store/test_log_files.py"),
    Plant("tiles believed by their length", "relay.store.log_files", "held = min(trusted, self._size)", "held = self._size", "tests/store/test_log_files.py"),
    Plant("answered before the sync", "relay.store.log_files", "            self._entries.sync()\n", "", R + "test_18_answer_before_the_data_is_on_the_disk.py"),
    Plant("commits are not synced", "relay.durable.schema", "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL", "tests/durable/test_database.py"),
    Plant("newer schema opened", "relay.durable.schema", "if not 0 <= version <= newest:", "if version < 0:", "tests/durable/test_database.py"),
    Plant("foreign database opened", "relay.durable.schema", "if found != application and not (", "if False and not (", "tests/durable/test_database.py"),
    # fewer steps
    Plant("packs kept after a refused signature", "relay.store.mirror_log", "        _cut_back(parts)\n        raise\n\n\ndef", "        raise\n\n\ndef", "tests/store/test_court_store.py"),
    Plant("whole checkpoint not compared with the last", "relay.store.court", "    if done.rowcount != 1:\n        raise Conflict(f\"size {old_size}", "    if False:\n        raise Conflict(f\"size {old_size}", "tests/store/test_court_store.py"),
    Plant("announcement of another checkpoint", "relay.services.court.mirror", "if (checkpoint.origin, checkpoint.size) != (origin, size):", "if False:", "tests/services/test_announced_with_entries.py"),
    Plant("proof from the court's size for the ledger", ADVANCE, "if offer is not None and offer.old_size == old_size:", "if offer is not None:", "tests/services/test_early_answers.py"),
    Plant("memory kept after trouble", ADVANCE, "                await self._forget()\n                await", "                await", "tests/services/test_early_answers.py"),
    Plant("final height of another block", "relay.store.rows", "if block.final_height >= block.height", "if block.final_height", "tests/store/test_relay_store.py"),
    Plant("pushed early beside a slow ledger", "relay.services.custodian.anchoring", "if before and self._took_s < QUICK_S:", "if before:", "tests/services/test_early_pushes.py"),
    Plant("anchor no longer awaited is still pushed early", "relay.services.custodian.anchoring", "            self.anchored.coming = None\n        self._took_s", "            pass\n        self._took_s", "tests/services/test_early_pushes.py"),
    Plant("early push that was refused is not made again", "relay.services.custodian.pushing", "                await self._push(coming.checkpoint)\n                self.pushed_size = coming.checkpoint.size", "                self.pushed_size = coming.checkpoint.size\n                await self._push(coming.checkpoint)", "tests/services/test_early_pushes.py"),
    Plant("entries stored before the anchor is seen", "relay.services.forwarding.intake", "checked = await intake.check(group, extending=True)", "checked = await intake.check([]) if await intake.take(group) else await intake.check([])", "tests/services/test_early_pushes.py"),
    Plant("court sent what has another root than the anchor", "relay.services.forwarding.early_mirror", "(whole.size, whole.root) == (item.anchor.size, item.anchor.root)", "whole.size == item.anchor.size", "tests/services/test_early_mirror.py"),
    Plant("court sent entries while it waits for others", "relay.services.forwarding.early_mirror", "held.size == held.next_index == whole.offer.old_size", "held.size == whole.offer.old_size", "tests/services/test_early_mirror.py"),
    Plant("early call outlives its worker", "relay.services.forwarding.advance", "            await self._run()\n        finally:\n            await self._early.mirroring.give_up()", "            await self._run()\n        finally:\n            pass", "tests/services/test_early_mirror.py"),
    Plant("giving up ends who waits", "relay.services.forwarding.beside", "return None if call.cancelled() else call.result()", "return call.result()", "tests/services/test_early_mirror.py"),
    Plant("early proof's error taken for the answer", "relay.services.forwarding.asking", "with suppress(RelayError):", "with suppress():", "tests/services/test_early_mirror.py"),
    Plant("proof of another item's anchor", "relay.services.forwarding.beside", "if held is None or held[0] != item:", "if held is None:", "tests/services/test_early_mirror.py"),
    Plant("extension proved from another size", "relay.core.grown", "if end <= self._held:", "if end < self._held:", "tests/core/test_grown.py"),
    Plant("relay believed to be where it was after trouble", "relay.services.custodian.pushing", "self.pushed_size if self.connected and self.pushed_size and not self._left_out else None", "self.pushed_size or None", "tests/services/test_pushes.py"),
    Plant("bundle taken without a line", "relay.services.court.fetching", "        await self._custody.note(\"fetch\", subject, \"permitted\", \"\", actor=operator)\n", "", "tests/custody/test_fetching.py"),
    # proofs of an EVM's events
    Plant("trie path that ends early", TRIE, "if at != len(nibbles):", "if False:", E + "test_trie.py"),
    Plant("trie node of any hash", TRIE, "if keccak256(node) != reference:", "if False:", E + "test_trie.py"),
    Plant("trie nodes left over", TRIE, "if next(nodes, None) is not None:", "if False:", E + "test_trie.py"),
    Plant("extension before anything", TRIE, "elif len(node) == _SHORT and not below_extension:", "elif len(node) == _SHORT:", E + "test_trie.py"),
    Plant("embedded node of any length", TRIE, "if len(encode(reference)) >= HASH_BYTES:", "if False:", E + "test_trie.py"),
    Plant("RLP in two spellings", "adapters.evm.rlp", "if len(text) == 1 and text[0] < _STRING:", "if False:", E + "test_rlp.py"),
    Plant("event of any contract", EVM, "if logs[place].address != pinned.contract:", "if False:", E + "test_proof.py"),
    Plant("failed transaction counts", EVM, "if not receipt.succeeded:", "if False:", E + "test_proof.py"),
    Plant("transaction of any chain", EVM, "if chain_id(transaction) != pinned.chain_id:", "if False:", E + "test_proof.py"),
    Plant("validator seals twice", SEALS, "if validator.name in names:", "if False:", E + "test_seals.py"),
    Plant("seal in two spellings", SEALS, "not 0 < s <= _ORDER // 2", "not 0 < s < _ORDER", E + "test_seals.py"),
    Plant("seal of a key out of its time", SEALS, "if not validator.valid_from_ms <= header.time_ms < validator.valid_to_ms:", "if False:", E + "test_seals.py"),
    Plant("more attesters than needed", "adapters.evm.attestation", "if len(names) != root.threshold:", "if len(names) < root.threshold:", E + "test_attestation.py"),
    Plant("attestation of another block", "adapters.evm.attestation", "if note.text != expected:", "if False:", E + "test_attestation.py"),
    Plant("event with anything in its padding", "adapters.evm.events", "if any(self._data[start + size : self._tail]):", "if False:", E + "test_events.py"),
    Plant("statement of another grant", "adapters.evm.events", "if (statement.iss, statement.action, statement.grant) != (issuer, action, topics[2].hex()):", "if False:", E + "test_events.py"),
    # projection
    Plant("events that are not final", "adapters.evm.projecting", "after.height < (final := await self.final_height())", "after.height < (final := (await self._chain.newest()).height)", P + "test_on_a_node.py::test_what_is_not_final_is_not_given"),
    Plant("final block replaced unseen", "adapters.evm.projecting", "if after.block_hash and blocks[0].header.parent != after.block_hash:", "if False:", P + "test_on_a_node.py::test_final_block_that_is_replaced_stops_projecting"),
    Plant("receipts of another block", "adapters.evm.blocks", "if Trie.of_list(encoded).root != root:", "if False:", P + "test_lying_node.py"),
    Plant("events of anybody", "adapters.evm.projecting", "known = self._by_event.get((one.address, one.topics[0] if one.topics else b\"\"))", "known = self._mappings[0]", P + "test_on_a_node.py::test_wrong_emitter_and_wrong_event_are_named_and_not_projected"),
    Plant("two encodings of one event", "adapters.evm.declaration", "if _encoded(types, values) != data:", "if False:", P + "test_mapping.py"),
    Plant("place of the ledger outside the transaction", "relay.store.custodian_projection", "await self._log.append(step.entries, also)", "await self._log.append(step.entries)\n            await self._database.write(also)", P + "test_projector.py::test_step_from_another_place_appends_nothing"),
    Plant("mapping changed below the log", "relay.services.custodian.projection", "if text not in configured:", "if False:", P + "test_projector.py::test_mapping_that_is_gone_or_changed_is_refused"),
    Plant("block not in the commitment", "relay.core.projection", "        event.block_hash,\n        _number(event.log),", "        bytes(32),\n        _number(event.log),", P + "test_core.py"),
    Plant("projected entry not compared", "relay.app.projection_check", "if entry != due.entry:", "if False:", P + "test_check.py::test_forged_log_is_inconsistent_and_the_first_wrong_entry_is_named"),
    # trusted time and platform statements
    Plant("token lists another digest", TIMESTAMP, "if cms.encode(digests[0]) != cms.encode(signers[0].digest):", "if False:", T + "test_tokens.py::test_digest_that_is_listed_otherwise_than_it_is_used"),
    Plant("token of another certificate", TIMESTAMP, "    _check_signer_named(token, signer)\n", "", T + "test_tokens.py::test_signature_that_names_another_certificate_or_none"),
    Plant("token under any policy", TIMESTAMP, "if info.policy.dotted_string not in authority.policies:", "if False:", T + "test_tokens.py::test_other_policy"),
    Plant("token of any period", TIMESTAMP, "if not authority.valid_from_ms <= token.time_ms < authority.valid_to_ms:", "if False:", T + "test_tokens.py::test_outside_the_period_in_which_the_authority_is_pinned"),
    Plant("issuer of others stamps", "relay.core.authorities", "if named and not _is_ca(certificate):", "if named:", T + "test_tokens.py::test_issuer_of_signers_signs_no_tokens"),
    Plant("any answer is an authority's", KEEPER, "if found is None or found[0].name != name:", "if found is None:", T + "test_stamping.py::test_answer_by_another_pinned_authority"),
    Plant("any clock is an authority's", KEEPER, "if abs(apart_ms) > FUTURE_SKEW_S * 1000 + authority.accuracy_ms:", "if False:", T + "test_stamping.py::test_clock_that_is_ten_minutes_off_is_named"),
    Plant("nonce not compared", KEEPER, "verify_token(parsed, held.cosigned, authority, signer, nonce)", "verify_token(parsed, held.cosigned, authority, signer)", T + "test_stamping.py::test_answer_to_another_question"),
    Plant("court earlier than the lender", "relay.core.marks", "latest_before_stamps = max(order)", "latest_before_stamps = order[0]", T + "test_marks.py"),
    Plant("redirect of an authority followed", "relay.wire.timestamp_http", "allow_redirects=False", "allow_redirects=True", T + "test_authority_http.py::test_answer_that_is_not_taken"),
    Plant("authority's answer of any size", "relay.wire.timestamp_http", "if len(data) > TIMESTAMP_BYTES_MAX:", "if False:", T + "test_authority_http.py::test_answer_that_is_not_taken"),
    Plant("quorum of authorities ignored", STEP_15, "if held < e.trust.time_quorum:", "if False:", T + "test_stamped_bundles.py::test_fewer_authorities_than_the_quorum_is_unverifiable"),
    Plant("token later than the seal", STEP_15, "if stamp.time_ms > e.need_manifest().made_at_s * 1000 + slack_ms:", "if False:", T + "test_stamped_bundles.py::test_token_outside_of_what_can_be"),
    Plant("one authority counts twice", STEP_15, "if any(held.authority == stamp.authority for held in e.stamps.get(anchor, ())):", "if False:", T + "test_stamped_bundles.py::test_one_authority_counts_once"),
    Plant("later statement pushes the valid one aside", "relay.core.statement", "[p for p in covering if p.published_ms <= at_ms]", "covering", T + "test_statement_form.py"),
    Plant("statement of a revoked key", STEP_16, "if not key.why_not(at_ms):", "if True:", T + "test_stated_bundles.py::test_key_that_was_revoked_before_the_statement_was_published"),
    Plant("statement that no event names", STEP_16, '    same(_STEP, "the event\'s statement", event.subject.get("statement"), statement.digest.hex())\n', "", T + "test_stated_bundles.py::test_statement_that_was_never_published"),
    # an older data folder
    Plant("restored custodian goes on", "relay.app.custodian", "        await await_standing(path, config, store, source)  # nothing that could append runs before this has returned\n", "", F + "test_restored.py::test_a_restored_custodian_appends_nothing_to_a_log_that_was_anchored_further"),
    Plant("shorter log than its anchor", "relay.services.standing", "if anchor.size > size:", "if False:", F + "test_standing.py::test_a_log_that_is_shorter_than_its_anchor_is_refused"),
    Plant("another log than its anchor", "relay.services.standing", "if root != anchor.root:", "if False:", F + "test_standing.py::test_a_log_that_went_another_way_than_its_anchor_is_refused"),
    Plant("relay's entries believed", "relay.app.catch_up", "if len(entries) != anchor.size - start or await asyncio.to_thread(root) != anchor.root:", "if False:", F + "test_standing.py::test_entries_of_a_relay_are_taken_under_the_anchored_root_alone"),
    Plant("old folder's grants open", "relay.app.standing", "        await store.spend_all_uses()\n", "", F + "test_standing.py::test_a_custodian_behind_either_log_spends_its_grants_and_ends"),
)  # fmt: skip
