"use strict";
// The ledger of ledger.js behind proto/adapters/remote/v1/adapter.proto, over mutual TLS. `node adapter.js CONFIG.json`; one JSON file:
// listen, proto, ca, certificate, key, ledger, validator, validator_key, data, writers (SPIFFE ids), and for a court's ledger
// log, witness, custody, grant (verifier keys) and issuer.

const fs = require("node:fs");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");
const { Ledger, Refusal, refuseUnless, VerifierKey, parseNote, holds, SIZE_MAX } = require("./ledger.js");

const CODES = { Malformed: 3, NotFound: 5, Denied: 7, Unverified: 9, Conflict: 10, Unavailable: 14 };
const HEARTBEAT_MS = 5000;
const NOTE_BYTES_MAX = 64 * 1024;
const STATEMENT_BYTES_MAX = 32 * 1024;
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
const ORIGIN = /^[^\s+\x00-\x1f\x7f]{1,255}$/u;

const config = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const ledger = new Ledger(config.ledger, config.validator, config.validator_key, config.data);
const court = Boolean(config.log);
const keys = court ? Object.fromEntries(["log", "witness", "custody", "grant"].map((n) => [n, new VerifierKey(config[n])])) : {};

function number(text, field, least = 0) {
  const value = Number(text);
  refuseUnless(Number.isSafeInteger(value) && value >= least, "Malformed", `${field} must be ${least} to ${SIZE_MAX}`);
  return value;
}
function facts(request) {
  refuseUnless(ORIGIN.test(request.origin), "Malformed", "origin must be 1 to 255 characters without spaces and plus signs");
  refuseUnless(request.root.length === 32, "Malformed", "root must be 32 bytes");
  return { origin: request.origin, size: number(request.size, "size", 1), root: request.root };
}
function hashes(list) {
  refuseUnless(list.length <= 63 && list.every((h) => h.length === 32), "Malformed", "at most 63 hashes of 32 bytes");
  return list;
}
function checkpoint(data, key) {
  refuseUnless(data.length <= NOTE_BYTES_MAX, "Malformed", "the note is too long");
  const note = parseNote(data);
  refuseUnless(note.origin === key.name, "Denied", `${note.origin} is not registered here`);
  refuseUnless(key.signed(note), "Unverified", "the log's signature is missing or does not hold");
  return note;
}
const placed = (block) => ({
  ledger: ledger.name,
  origin: block.fact.origin,
  size: block.fact.size,
  root: Buffer.from(block.fact.root, "hex"),
  height: block.height,
  tx_id: block.tx_id,
  time_ms: block.time_ms,
});
const anchor = (block) => ({ ...placed(block), block_hash: block.hash });
const found = (name, block, shape) => (block ? { [name]: shape(block) } : {});
const final = () => ledger.blocks.length;

function statement(bytes) {
  refuseUnless(bytes.length <= STATEMENT_BYTES_MAX, "Malformed", "the statement is too long");
  const token = bytes.toString("latin1");
  const parts = token.split(".");
  const plain = parts.length === 3 && parts.every((p) => Buffer.from(p, "base64url").toString("base64url") === p);
  refuseUnless(plain, "Malformed", "is no compact JWS");
  let said;
  try {
    said = JSON.parse(Buffer.from(parts[1], "base64url").toString("utf8"));
  } catch {
    throw new Refusal("Malformed", "is no JSON");
  }
  const good = ["register", "revoke"].includes(said.action) && /^[0-9a-f]{64}$/.test(said.grant);
  refuseUnless(good, "Malformed", "is no grant statement");
  refuseUnless(said.iss === config.issuer, "Denied", "this lender is not registered here");
  const signature = Buffer.from(parts[2], "base64url");
  const verified = signature.length === 64 && holds(keys.grant.raw, signature, `${parts[0]}.${parts[1]}`);
  refuseUnless(verified, "Unverified", "the lender's signature does not hold");
  return { type: "grant", action: said.action, grant: said.grant, issuer: said.iss, exp: said.exp, statement: token };
}
function recordGrant(bytes) {
  const { exp, statement: token, ...grant } = statement(bytes);
  const [same] = ledger.having(grant);
  if (same) return same;
  const known = grant.action === "register" || ledger.having({ ...grant, action: "register" }).length;
  refuseUnless(known, "Conflict", "a grant that was never registered cannot be revoked");
  return ledger.append({ ...grant, exp, statement: token });
}

const Adapter = {
  Hello: ({ versions }) => {
    refuseUnless(versions.includes(1), "Malformed", "this adapter speaks version 1");
    const names = { name: "example-js", adapter_version: "1.0.0", family: "example-js", proof_kind: "quorum" };
    return { version: 1, ...names, ledger: ledger.name, source: !court, court };
  },
};
const AnchorSource = {
  Head: () => ({ height: final(), final_height: final(), block_hash: ledger.blocks.at(-1)?.hash || Buffer.alloc(0) }),
  Find: (r) => found("anchor", ledger.having({ type: "anchor", origin: r.origin, size: Number(r.size) })[0], anchor),
  Prove: (r) => ledger.prove(r.anchor ? r.anchor.tx_id : Buffer.alloc(0)),
  Anchor: (r) => anchor(ledger.extend("anchor", facts(r))),
};
const CourtRegistry = {
  Latest: (r) => found("receipt", ledger.having({ origin: r.origin }).at(-1), placed),
  Find: (r) => {
    const wanted = { type: "checkpoint", origin: r.origin, size: Number(r.size), root: r.root.toString("hex") };
    return found("receipt", ledger.having(wanted)[0], placed);
  },
  Submit: (r) => {
    const note = checkpoint(r.checkpoint, keys.log);
    refuseUnless(keys.witness.signed(note), "Unverified", "the court's cosignature is missing or does not hold");
    number(r.attempt, "attempt");
    return placed(ledger.extend("checkpoint", note, number(r.old_size, "old_size"), hashes(r.consistency)));
  },
  Prove: (r) => ledger.prove(r.tx_id),
  RecordGrant: (r) => ({ tx_id: recordGrant(r.statement).tx_id }),
  GrantState: (r) => {
    const about = { type: "grant", issuer: r.issuer, grant: r.digest.toString("hex") };
    const [registered] = ledger.having({ ...about, action: "register" });
    const [revoked] = ledger.having({ ...about, action: "revoke" });
    const times = { registered_ms: registered?.time_ms || 0, revoked_ms: revoked?.time_ms || 0 };
    return { ...times, registration: registered?.tx_id || Buffer.alloc(0) };
  },
  AppendCustodyHead: (r) => {
    const head = checkpoint(r.checkpoint, keys.custody);
    return { tx_id: ledger.extend("custody", head, number(r.old_size, "old_size"), hashes(r.consistency)).tx_id };
  },
};
const WRITES = new Set(["Anchor", "Submit", "RecordGrant", "AppendCustodyHead"]);

// Which caller: the one URI name in the certificate that TLS checked.
function admit(call, method) {
  const names = call.getAuthContext()?.sslPeerCertificate?.subjectaltname || "";
  const caller = names.split(", ").filter((name) => name.startsWith("URI:spiffe://"));
  refuseUnless(caller.length === 1, "Denied", "no caller is named");
  refuseUnless(!WRITES.has(method) || config.writers.includes(caller[0].slice(4)), "Denied", "may not write");
  const other = method !== "Hello" && call.request.ledger !== ledger.name;
  refuseUnless(!other, "Unavailable", `this adapter is of ledger ${ledger.name}`);
}
function status(error) {
  const word = error instanceof Refusal ? error.word : undefined;
  if (!word) console.error(error); // a fault of ours: callers learn only that there was no answer
  const metadata = new grpc.Metadata();
  if (word) metadata.set("courtrelay-error", word);
  return { code: CODES[word] || 13, details: word ? error.message : "internal error", metadata };
}
const served = (service) =>
  Object.fromEntries(
    Object.entries(service).map(([method, answer]) => [
      method,
      (call, done) => {
        let reply;
        try {
          admit(call, method);
          reply = answer(call.request);
        } catch (error) {
          return done(status(error));
        }
        return done(null, reply);
      },
    ]),
  );

function blocks(call) {
  let height;
  try {
    admit(call, "Blocks");
    height = number(call.request.start, "start", 1);
  } catch (error) {
    return call.emit("error", status(error));
  }
  const send = () => {
    for (; height <= ledger.blocks.length && !call.writableNeedDrain; height += 1) {
      const { hash, parent, time_ms, fact } = ledger.blocks[height - 1];
      const anchors = fact.type === "anchor" ? [anchor(ledger.blocks[height - 1])] : [];
      call.write({ block: { height, block_hash: hash, parent_hash: parent, time_ms, anchors, final_height: final() } });
    }
  };
  const beat = setInterval(() => call.write({}), HEARTBEAT_MS);
  const stop = () => {
    clearInterval(beat);
    ledger.off("block", send);
  };
  for (const end of ["cancelled", "close", "error"]) call.on(end, stop);
  call.on("drain", send);
  ledger.on("block", send);
  call.write({});
  return send();
}

const loaded = protoLoader.loadSync(config.proto, { keepCase: true, longs: String, defaults: true, arrays: true });
const { v1 } = grpc.loadPackageDefinition(loaded).adapters.remote;
const limits = { "grpc.max_receive_message_length": MESSAGE_BYTES_MAX, "grpc.max_send_message_length": MESSAGE_BYTES_MAX };
const server = new grpc.Server(limits);
server.addService(v1.Adapter.service, served(Adapter));
if (court) server.addService(v1.CourtRegistry.service, served(CourtRegistry));
else server.addService(v1.AnchorSource.service, { ...served(AnchorSource), Blocks: blocks });
const [ca, certificate, key] = [config.ca, config.certificate, config.key].map((path) => fs.readFileSync(path));
const tls = grpc.ServerCredentials.createSsl(ca, [{ private_key: key, cert_chain: certificate }], true);
server.bindAsync(config.listen, tls, (error, port) => {
  if (error) throw error;
  console.log(`adapter ready at ${config.listen.replace(/:\d+$/, "")}:${port}`);
});
process.on("SIGTERM", () => server.forceShutdown() || process.exit(0));
