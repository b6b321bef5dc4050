"use strict";
// A hash-chained ledger in a file: one transaction a block, signed by one validator in the `quorum` form of
// docs/spec/ledger-quorum.md, so that courts verify its proofs with the verifier they have. A block is final when it is in the file.

const crypto = require("node:crypto");
const fs = require("node:fs");
const { EventEmitter } = require("node:events");

const SIZE_MAX = Number.MAX_SAFE_INTEGER;
const ZERO = Buffer.alloc(32);
const sha256 = (...parts) => crypto.createHash("sha256").update(Buffer.concat(parts.map((p) => Buffer.from(p)))).digest();

class Refusal extends Error {
  // word: one of proto/adapters/remote/v1/adapter.proto
  constructor(word, reason) {
    super(reason);
    this.word = word;
  }
}
const refuseUnless = (holds, word, reason) => {
  if (!holds) throw new Refusal(word, reason);
};

// RFC 8785 for flat objects of text and whole numbers, and arrays of text
const canonical = (object) =>
  JSON.stringify(Object.fromEntries(Object.entries(object).filter(([, v]) => v !== undefined).sort(([a], [b]) => (a < b ? -1 : 1))));

const publicKey = (raw) =>
  crypto.createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(raw).toString("base64url") }, format: "jwk" });
const holds = (raw, signature, message) => crypto.verify(null, Buffer.from(message), publicKey(raw), signature);
const keyId = (name, type, raw) => sha256(name, "\n", Buffer.from([type]), raw).subarray(0, 4);

class VerifierKey {
  // C2SP vkey: <name>+<id>+<base64 of type and key>
  constructor(text) {
    const [, name, data] = /^([^\s+]+)\+[0-9a-f]{8}\+(.+)$/.exec(text);
    const bytes = Buffer.from(data, "base64");
    Object.assign(this, { name, type: bytes[0], raw: bytes.subarray(1) });
  }
  // whether the note has this key's signature; what it has of other keys does not count
  signed(note) {
    const id = keyId(this.name, this.type, this.raw);
    const own = note.signatures.find((s) => s.name === this.name && s.data.subarray(0, 4).equals(id));
    if (!own) return false;
    if (this.type === 1) return holds(this.raw, own.data.subarray(4), note.text);
    const time = own.data.readBigUInt64BE(4);
    return holds(this.raw, own.data.subarray(12), `cosignature/v1\ntime ${time}\n${note.text}`);
  }
}

function parseNote(data) {
  const whole = data.toString("utf8");
  const end = whole.lastIndexOf("\n\n");
  refuseUnless(Buffer.from(whole).equals(data) && end > 0 && whole.endsWith("\n"), "Malformed", "is no signed note");
  const text = whole.slice(0, end + 1);
  const signatures = whole.slice(end + 2, -1).split("\n").map((line) => {
    const parts = line.split(" ");
    const bytes = Buffer.from(parts[2] || "", "base64");
    const strict = parts.length === 3 && parts[0] === "—" && bytes.toString("base64") === parts[2] && bytes.length > 12;
    refuseUnless(strict, "Malformed", "has a signature line of another form");
    return { name: parts[1], data: bytes };
  });
  const lines = text.split("\n");
  const root = Buffer.from(lines[2] || "", "base64");
  const good = lines.length === 4 && /^[1-9][0-9]{0,15}$/.test(lines[1]) && root.length === 32 && Number(lines[1]) <= SIZE_MAX;
  refuseUnless(good, "Malformed", "is no checkpoint");
  return { text, signatures, origin: lines[0], size: Number(lines[1]), root };
}

// RFC 9162, 2.1.4.2; sizes are BigInt because bit operations on numbers have 32 bits
function consistent(size1, size2, proof, root1, root2) {
  const node = (left, right) => sha256(Buffer.from([1]), left, right);
  const path = [...proof];
  let [first, second] = [BigInt(size1) - 1n, BigInt(size2) - 1n];
  if ((BigInt(size1) & (BigInt(size1) - 1n)) === 0n) path.unshift(root1);
  while (first & 1n) [first, second] = [first >> 1n, second >> 1n];
  if (!path.length) return false;
  let [inner, outer] = [path[0], path[0]];
  for (const hash of path.slice(1)) {
    if (second === 0n) return false;
    if (first & 1n || first === second) {
      [inner, outer] = [node(hash, inner), node(hash, outer)];
      while (!(first & 1n) && first !== 0n) [first, second] = [first >> 1n, second >> 1n];
    } else outer = node(outer, hash);
    [first, second] = [first >> 1n, second >> 1n];
  }
  return second === 0n && inner.equals(root1) && outer.equals(root2);
}

class Ledger extends EventEmitter {
  constructor(name, validator, key, file) {
    super();
    this.setMaxListeners(0);
    Object.assign(this, { name, validator, key: crypto.createPrivateKey(fs.readFileSync(key)), blocks: [] });
    this.raw = Buffer.from(crypto.createPublicKey(this.key).export({ format: "jwk" }).x, "base64url");
    if (fs.existsSync(file)) for (const line of fs.readFileSync(file, "utf8").split("\n").slice(0, -1)) this.take(JSON.parse(line));
    this.file = fs.openSync(file, "a", 0o600);
  }
  take({ note, tx }) {
    const text = note.slice(0, note.indexOf("\n\n") + 1);
    const lines = text.split("\n");
    const block = { note, tx, fact: JSON.parse(tx), height: Number(lines[2]), time_ms: Number(lines[3]) };
    this.blocks.push({ ...block, hash: sha256(text), parent: Buffer.from(lines[4], "base64"), tx_id: sha256("courtrelay/tx/v1", tx) });
    return this.blocks.at(-1);
  }
  append(fact) {
    const last = this.blocks.at(-1) || { height: 0, time_ms: 0, hash: ZERO };
    const tx = canonical(fact);
    const root = sha256(Buffer.from([0]), tx).toString("base64");
    const time = Math.max(Date.now(), last.time_ms);
    const lines = ["courtrelay.org/ledger-block/v1", this.name, last.height + 1, time, last.hash.toString("base64"), root, 1];
    const text = lines.map((line) => `${line}\n`).join("");
    const signer = `${this.name}/${this.validator}`;
    const signature = Buffer.concat([keyId(signer, 1, this.raw), crypto.sign(null, Buffer.from(text), this.key)]);
    const stored = { note: `${text}\n— ${signer} ${signature.toString("base64")}\n`, tx };
    fs.writeSync(this.file, JSON.stringify(stored) + "\n");
    fs.fsyncSync(this.file); // a block that was shown is there after every crash
    const block = this.take(stored);
    this.emit("block");
    return block;
  }
  having(members) {
    const wanted = Object.entries(members);
    return this.blocks.filter((block) => wanted.every(([name, value]) => block.fact[name] === value));
  }
  prove(txId) {
    const block = this.blocks.find((b) => b.tx_id.equals(txId));
    refuseUnless(block, "NotFound", "no such transaction on this ledger");
    const body = canonical({ format: "courtrelay-quorum-proof/v1", block: block.note, tx: block.tx, index: 0, path: [] });
    return { kind: "quorum", ledger: this.name, body: Buffer.from(body) };
  }
  // the rule of every growing log; the same facts again are the first transaction
  extend(type, { origin, size, root }, oldSize, proof) {
    const facts = { type, origin, size, root: root.toString("hex") };
    const [same] = this.having(facts);
    if (same) return same;
    const last = this.having({ type, origin }).at(-1)?.fact || { size: 0 };
    refuseUnless(size > last.size, "Conflict", `the last size of ${origin} here is ${last.size}`);
    if (oldSize !== undefined) {
      refuseUnless(oldSize === last.size, "Conflict", `the last size of ${origin} here is ${last.size}, not ${oldSize}`);
      const good = oldSize ? consistent(oldSize, size, proof, Buffer.from(last.root, "hex"), root) : !proof.length;
      refuseUnless(good, "Unverified", "the consistency proof does not lead to both roots");
    }
    return this.append(facts);
  }
}

module.exports = { Ledger, Refusal, refuseUnless, VerifierKey, parseNote, holds, SIZE_MAX };
