// Checks a history bundle in the browser, as erti_verify.py does: the same steps, the same verdict words, nothing asked
// of any server. The one thing it cannot do is to verify ML-DSA-44 signatures, which browsers do not know; it says so.

const FORMAT = "erti-history-bundle/2";
const SUITE = "ECVRF-EDWARDS25519-SHA512-TAI";
const ED25519 = 1, COSIGNATURE = 4, MLDSA44 = 6;
const KEY_BYTES = { [ED25519]: 33, [COSIGNATURE]: 33, [MLDSA44]: 1313 };
const encoder = new TextEncoder();

export class Rejected extends Error {
  constructor(verdict, reason) { super(reason); this.verdict = verdict; this.reason = reason; }
}
export class Unusable extends Error {}

// ---------------------------------------------------------------------------- SHA-256 (FIPS 180-4), HMAC, bytes

// Hundreds of thousands of short messages are hashed, so nothing is allocated for one but its result.
const K = new Int32Array(64), H0 = new Int32Array(8);
for (let n = 2, i = 0; i < 64; n++) {
  let prime = true;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
  if (!prime) continue;
  if (i < 8) H0[i] = (Math.sqrt(n) % 1) * 2 ** 32;
  K[i++] = (Math.cbrt(n) % 1) * 2 ** 32;
}
const W = new Int32Array(64), state = new Int32Array(8);
let padded = new Uint8Array(4096);

function compress(block) {
  for (let i = 0, at = block; i < 16; i++, at += 4) {
    W[i] = (padded[at] << 24) | (padded[at + 1] << 16) | (padded[at + 2] << 8) | padded[at + 3];
  }
  for (let i = 16; i < 64; i++) {
    const x = W[i - 15], y = W[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    W[i] = W[i - 16] + s0 + W[i - 7] + s1;
  }
  let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d; state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

export function sha256(...parts) {
  let length = 0;
  for (const part of parts) length += part.length;
  const end = (length + 72) & ~63;
  if (end > padded.length) padded = new Uint8Array(2 * end);
  let place = 0;
  for (const part of parts) { padded.set(part, place); place += part.length; }
  padded[length] = 0x80;
  padded.fill(0, length + 1, end);
  for (let i = 1, bits = length * 8; bits > 0; i++, bits = Math.floor(bits / 256)) padded[end - i] = bits % 256;
  state.set(H0);
  for (let block = 0; block < end; block += 64) compress(block);
  const out = new Uint8Array(32);
  for (let i = 0; i < 8; i++) {
    const word = state[i];
    out[4 * i] = word >>> 24; out[4 * i + 1] = word >>> 16; out[4 * i + 2] = word >>> 8; out[4 * i + 3] = word;
  }
  return out;
}

function hmac(key, ...parts) {
  const inner = new Uint8Array(64).fill(0x36), outer = new Uint8Array(64).fill(0x5c);
  key.forEach((byte, i) => { inner[i] ^= byte; outer[i] ^= byte; });
  return sha256(outer, sha256(inner, ...parts));
}

function same(a, b, from = 0, other = 0) {
  if (a.length - from !== b.length - other) return false;
  for (let i = from, j = other; i < a.length; i++, j++) if (a[i] !== b[j]) return false;
  return true;
}
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
const join = (...parts) => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) { out.set(part, place); place += part.length; }
  return out;
};
function uint(value, bytes) {
  const out = new Uint8Array(bytes);
  for (let i = bytes - 1; i >= 0; i--) { out[i] = value % 256; value = Math.floor(value / 256); }
  return out;
}
const seconds = (bytes) => Number(bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n));

// ---------------------------------------------------------------------------- plain encodings

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const VALUES = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) VALUES[DIGITS.charCodeAt(i)] = i;
const kept = new Map(); // the steps of proofs come again and again

// Bytes from canonical standard base64; none for anything else.
function decoded(text) {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0, digits = text.length - padding;
  const data = new Uint8Array(Math.max(0, (text.length / 4) * 3 - padding));
  let bits = 0, value = 0, place = 0;
  if (text.length % 4) return new Uint8Array();
  for (let i = 0; i < digits; i++) {
    const digit = VALUES[text.charCodeAt(i)] ?? -1;
    if (digit < 0) return new Uint8Array();
    value = ((value << 6) | digit) & 0xfff;
    bits += 6;
    if (bits >= 8) { bits -= 8; data[place++] = value >> bits; }
  }
  return value & ((1 << bits) - 1) ? new Uint8Array() : data; // bits that stand for nothing are zero
}
function b64(text, where, length) {
  let data = kept.get(text);
  if (!data) {
    data = typeof text === "string" ? decoded(text) : new Uint8Array();
    if (kept.size > 2 ** 16) kept.clear();
    if (data.length === 32) kept.set(text, data);
  }
  if (!data.length || (length && data.length !== length)) {
    throw new Rejected("ALTERED", `${where} is not ${length || "some"} bytes of canonical base64`);
  }
  return data;
}
// The canonical form of a value (RFC 8785, whole numbers only). A plain object would move members with whole numbers for
// names to the front, so the text is put together here.
function written(value) {
  if (Array.isArray(value)) return `[${value.map(written).join(",")}]`;
  if (value && typeof value === "object") {
    return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${written(value[name])}`).join(",")}}`;
  }
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new SyntaxError("a number that is not whole");
  return JSON.stringify(value);
}
// Whether members stand in their order and numbers are whole: then what JSON.stringify writes is the canonical form.
function inOrder(value) {
  if (typeof value === "number") return Number.isSafeInteger(value);
  if (!value || typeof value !== "object") return true;
  if (Array.isArray(value)) return value.every(inOrder);
  let last = null;
  for (const name of Object.keys(value)) {
    if ((last !== null && last >= name) || !inOrder(value[name])) return false;
    last = name;
  }
  return true;
}
function canonical(text, where) {
  let value, again;
  try {
    value = JSON.parse(text);
    again = inOrder(value) ? JSON.stringify(value) : written(value);
  } catch (error) { throw new Rejected("ALTERED", `${where} is not JSON: ${error.message}`); }
  if (again !== text) throw new Rejected("ALTERED", `${where} is not in canonical form`);
  return value;
}
function fields(value, names, where) {
  const wanted = names.split(" ").sort().join(" ");
  if (!value || typeof value !== "object" || Array.isArray(value) || Object.keys(value).sort().join(" ") !== wanted) {
    throw new Rejected("ALTERED", `${where} does not have exactly the members ${names}`);
  }
  return value;
}
function whole(value, where) {
  if (!Number.isSafeInteger(value) || value < 0) throw new Rejected("ALTERED", `${where} is not a whole number`);
  return value;
}
function string(value, where) {
  if (typeof value !== "string") throw new Rejected("ALTERED", `${where} is not text`);
  return value;
}

// ---------------------------------------------------------------------------- the trust policy

export function fingerprint(text) {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let bits = 0n;
  for (const byte of sha256(encoder.encode(text)).subarray(0, 20)) bits = bits * 256n + BigInt(byte);
  const letters = Array.from({ length: 32 }, (_, i) => digits[Number((bits >> BigInt(155 - 5 * i)) & 31n)]).join("");
  return letters.match(/.{4}/g).join("-");
}

function vkey(line, kinds) {
  const [name, id, ...rest] = line.split("+");
  let data;
  try { data = b64(rest.join("+"), "a key of the trust policy"); } catch (error) { throw new Unusable(error.message); }
  const proper = sha256(encoder.encode(`${name}\n`), data).subarray(0, 4);
  if (!name || !kinds.includes(data[0]) || data.length !== KEY_BYTES[data[0]] || hex(proper) !== id) {
    throw new Unusable(`the trust policy's key ${name} is not well formed, or not of its kind`);
  }
  return { name, id, kind: data[0], public: data.subarray(1), line };
}

export function readPolicy(text) {
  const lines = text.split("\n");
  if (lines[0] !== "# Erti trust policy 1" || lines.at(-1) !== "") throw new Unusable("this is not an Erti trust policy");
  const found = { logs: [], vrf: null, witnesses: new Map(), groups: new Map(), quorum: "", text };
  const taken = (name) => name === "none" || found.witnesses.has(name) || found.groups.has(name);
  const members = new Set();
  for (const line of lines.slice(1, -1)) {
    const [word, first, second, ...rest] = line.split(" ");
    if (word === "log" && first && second === undefined) found.logs.push(vkey(first, [ED25519, MLDSA44]));
    else if (word === "vrf" && first === SUITE && second && !found.vrf && !rest.length) {
      try { found.vrf = b64(second, "vrf"); } catch (error) { throw new Unusable(error.message); }
    } else if (word === "witness" && second && !rest.length && !taken(first)) {
      found.witnesses.set(first, vkey(second, [COSIGNATURE, MLDSA44]));
    } else if (word === "group" && second && !taken(first)) {
      const count = second === "all" ? rest.length : second === "any" ? 1 : /^[1-9][0-9]{0,3}$/.test(second) ? Number(second) : 0;
      const wrong = rest.some((name) => name === "none" || !taken(name) || members.has(name)) || new Set(rest).size !== rest.length;
      if (wrong || count < 1 || count > rest.length) throw new Unusable("the trust policy has a group that cannot be");
      rest.forEach((name) => members.add(name));
      found.groups.set(first, [count, rest]);
    } else if (word === "quorum" && !found.quorum && second === undefined && taken(first)) found.quorum = first;
    else throw new Unusable(`the trust policy has a line that is not understood here: ${line.slice(0, 60)}`);
  }
  const keys = [...found.witnesses.values()].map((key) => hex(key.public));
  if (!found.logs.length || found.vrf?.length !== 32 || !found.quorum || new Set(found.logs.map((key) => key.name)).size !== 1
    || new Set(keys).size !== keys.length) {
    throw new Unusable("the trust policy needs the keys of one log, a vrf line, a quorum line, and each witness once");
  }
  return found;
}

function met(policy, names) {
  const seen = new Set(names);
  for (const [name, [needed, members]] of policy.groups) {
    if (members.filter((member) => seen.has(member)).length >= needed) seen.add(name);
  }
  return policy.quorum === "none" || seen.has(policy.quorum);
}

// ---------------------------------------------------------------------------- the checkpoint

async function ed25519(key, signature, data) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, data);
}

// A checkpoint's text; its origin, size and root; its signatures by name and key ID, none checked.
function splitNote(note) {
  const gap = note.lastIndexOf("\n\n");
  const text = note.slice(0, gap + 1), rest = note.slice(gap + 2), head = text.split("\n");
  // eslint-disable-next-line no-control-regex
  if (gap < 0 || !rest.endsWith("\n") || /[\u0000-\u0009\u000b-\u001f]/.test(note) || head.length !== 4) {
    throw new Rejected("ALTERED", "the checkpoint is not a signed note of three lines");
  }
  if (!/^(0|[1-9][0-9]{0,15})$/.test(head[1])) throw new Rejected("ALTERED", "the checkpoint's tree size is not a number");
  const signatures = new Map();
  for (const line of rest.slice(0, -1).split("\n")) {
    const [dash, name, ...blob] = line.split(" ");
    const data = b64(blob.join(" "), "a signature of the checkpoint");
    const whose = `${name}+${hex(data.subarray(0, 4))}`;
    if (dash !== "\u2014" || signatures.has(whose)) throw new Rejected("ALTERED", "the checkpoint has a malformed or repeated signature line");
    signatures.set(whose, data.subarray(4));
  }
  const tree = { origin: head[0], size: Number(head[1]), root: b64(head[2], "the checkpoint's root hash", 32) };
  return { text, tree, signatures };
}

async function openCheckpoint(note, policy) {
  const found = await signedCheckpoint(note, policy, policy.logs);
  wantQuorum(policy, found, "too few witnesses saw this tree: others may see another one");
  return found;
}

// Too few witnesses is a verdict only where it does not hang on signatures that no browser can check.
function wantQuorum(policy, found, reason) {
  if (met(policy, found.witnesses)) return;
  if (!met(policy, [...found.witnesses, ...found.skipped])) throw new Rejected("UNWITNESSED", reason);
  throw new Unusable(`the quorum needs witnesses whose signatures (ML-DSA-44) no browser can check: ${found.skipped.join(", ")}`);
}

// A checkpoint that every one of a log's keys signed, and who of the policy's witnesses did.
async function signedCheckpoint(note, policy, keys) {
  const { text, tree, signatures } = splitNote(note);
  const fits = async (key, signature) => {
    if (key.kind === ED25519) return ed25519(key.public, signature, encoder.encode(text));
    const timed = encoder.encode(`cosignature/v1\ntime ${seconds(signature.subarray(0, 8))}\n${text}`);
    return ed25519(key.public, signature.subarray(8), timed);
  };
  const times = [];
  let unchecked = 0;
  for (const key of keys) {
    const signature = signatures.get(`${key.name}+${key.id}`);
    const kind = key.kind === ED25519 ? "Ed25519" : "ML-DSA-44";
    if (!signature) throw new Rejected("UNKNOWN-KEY", `the checkpoint has no signature of the policy's ${kind} log key`);
    if (key.kind === MLDSA44) { unchecked++; times.push(seconds(signature.subarray(0, 8))); continue; }
    if (!await fits(key, signature)) throw new Rejected("ALTERED", `the Ed25519 signature of ${key.name} does not fit the checkpoint`);
  }
  if (unchecked === keys.length) throw new Unusable("the trust policy has no log key that a browser can check");
  if (tree.origin !== keys[0].name) throw new Rejected("UNKNOWN-KEY", "the checkpoint is of another log than the policy's");
  const seen = new Map(), skipped = [];
  for (const [name, key] of policy.witnesses) {
    const signature = signatures.get(`${key.name}+${key.id}`);
    if (!signature) continue;
    if (key.kind === MLDSA44) { skipped.push(name); continue; }
    if (!await fits(key, signature)) throw new Rejected("ALTERED", `the cosignature of ${key.name} does not fit the checkpoint`);
    seen.set(name, seconds(signature.subarray(0, 8)));
  }
  if (policy.quorum !== "none" && met(policy, seen.keys())) {
    const enough = [...seen.values()].filter((at) => met(policy, [...seen].filter(([, then]) => then >= at).map(([name]) => name)));
    times.push(Math.max(...enough));
  }
  return { ...tree, signedAt: times.length ? Math.min(...times) : null, witnesses: [...seen.keys()].sort(), skipped: skipped.sort(), unchecked };
}

// ---------------------------------------------------------------------------- trees (RFC 9162) and the map

const odd = (n) => n % 2 === 1, half = (n) => Math.floor(n / 2);
const LEAF = Uint8Array.of(0), NODE = Uint8Array.of(1);

// Entries stand near each other, so most of a proof was walked before: from the same place with the same hash and the same
// steps left, the way ends where it ended then, in the signed root.
function checkPlace(index, leaf, proof, tree, where) {
  if (!Array.isArray(proof) || index >= tree.size) throw new Rejected("ALTERED", `${where}: place ${index} is not in the tree of ${tree.size} entries`);
  let at = index, last = tree.size - 1, node = sha256(LEAF, leaf);
  const known = (tree.walked ??= new Map()), walked = [];
  for (let number = 0; number < proof.length; number++) {
    const place = `${at}/${last}`, way = known.get(place);
    if (way && same(way.node, node) && same(way.proof, proof, way.number, number)) { node = tree.root; last = 0; break; }
    walked.push([place, { node, proof, number }]);
    const sibling = b64(proof[number], `${where}: a step of its proof`, 32);
    if (odd(at) || (at === last && last)) {
      node = sha256(NODE, sibling, node);
      while (!odd(at) && at) { at = half(at); last = half(last); }
    } else if (last) node = sha256(NODE, node, sibling);
    else throw new Rejected("ALTERED", `${where}: its proof is too long`);
    at = half(at); last = half(last);
  }
  if (last || !same(node, tree.root)) throw new Rejected("ALTERED", `${where}: it does not stand at place ${index} of the signed tree`);
  for (const [place, way] of walked) known.set(place, way);
}

function grew(before, now, proof) {
  if (before.size === 0 || before.size === now.size || !proof.length) {
    return before.size === now.size && same(before.root, now.root) && !proof.length;
  }
  const path = Number.isInteger(Math.log2(before.size)) ? [before.root, ...proof] : proof;
  let at = before.size - 1, last = now.size - 1;
  while (odd(at)) { at = half(at); last = half(last); }
  let old = path[0], fresh = path[0];
  for (const step of path.slice(1)) {
    if (last === 0) return false;
    if (odd(at) || at === last) {
      old = sha256(NODE, step, old); fresh = sha256(NODE, step, fresh);
      while (!odd(at) && at) { at = half(at); last = half(last); }
    } else fresh = sha256(NODE, fresh, step);
    at = half(at); last = half(last);
  }
  return last === 0 && same(old, before.root) && same(fresh, now.root);
}

const MAP_LEAF = encoder.encode("erti/map/v1\0"), MAP_NODE = encoder.encode("erti/map/v1\u0001");
const bit = (label, depth) => (label[depth >> 3] >> (7 - (depth & 7))) & 1;

function checkMap(value, label, count, head, tree) {
  const where = `the map of ${tree.origin}`;
  const found = fields(value, "index root siblings other proof", where);
  const index = whole(found.index, `${where}: its place`);
  const payload = b64(found.root, `${where}: its root`, 48);
  checkPlace(index, join(Uint8Array.of(2), payload), found.proof, tree, where);
  if (index !== tree.size - 1) throw new Rejected("STALE", `${where} is an old one: the tree went on after it`);
  if (!Array.isArray(found.siblings) || found.siblings.length > 256) throw new Rejected("ALTERED", `${where}: its siblings are not a list of at most 256`);
  const siblings = found.siblings.map((step) => b64(step, `${where}: a sibling`, 32));
  let node = count ? sha256(MAP_LEAF, label, sha256(uint(count, 8), head)) : new Uint8Array(32);
  if (found.other !== null) {
    const there = fields(found.other, "label value", `${where}: the other chain`);
    const other = readLabel(there.label), held = b64(there.value, `${where}: the other chain's value`, 32);
    if (count || same(other, label) || siblings.some((_, at) => bit(label, at) !== bit(other, at))) {
      throw new Rejected("ALTERED", `${where}: the other chain is not on the way of this label`);
    }
    node = sha256(MAP_LEAF, other, held);
  }
  for (let at = siblings.length - 1; at >= 0; at--) {
    node = bit(label, at) ? sha256(MAP_NODE, siblings[at], node) : sha256(MAP_NODE, node, siblings[at]);
  }
  if (!same(node, payload.subarray(0, 32))) {
    throw new Rejected("MISSING", `${where} does not end this history at ${count} entries: later ones are left out, or it was altered`);
  }
}

// ---------------------------------------------------------------------------- the label (RFC 9381)

const P = 2n ** 255n - 19n, Q = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (n) => ((n % P) + P) % P;
function power(base, exponent) {
  let result = 1n, b = mod(base);
  for (let e = exponent; e > 0n; e >>= 1n) { if (e & 1n) result = (result * b) % P; b = (b * b) % P; }
  return result;
}
const D = mod(-121665n * power(121666n, P - 2n));
const little = (bytes) => bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
function point(data) {
  const sign = BigInt(data[31] >> 7), y = little(data) & (2n ** 255n - 1n);
  if (y >= P) return null;
  const square = mod((y * y - 1n) * power(D * y * y + 1n, P - 2n));
  let x = power(square, (P + 3n) / 8n);
  if (mod(x * x) !== square) x = mod(x * power(2n, (P - 1n) / 4n));
  if (mod(x * x) !== square || (x === 0n && sign)) return null;
  return [(x & 1n) === sign ? x : P - x, y];
}
function sum([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const xx = mod(x1 * x2), yy = mod(y1 * y2), zz = mod(z1 * z2), tt = mod(D * t1 * t2);
  const e = mod((x1 + y1) * (x2 + y2) - xx - yy), f = mod(zz - tt), g = mod(zz + tt), h = mod(yy + xx);
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}
function times(scalar, [x, y]) {
  let total = [0n, 1n, 1n, 0n], step = [x, y, 1n, mod(x * y)];
  for (let n = scalar; n > 0n; n >>= 1n) { if (n & 1n) total = sum(total, step); step = sum(step, step); }
  return total;
}
function flat([x, y, z]) { const inverse = power(z, P - 2n); return [mod(x * inverse), mod(y * inverse)]; }
function bytesOf([x, y]) {
  let n = y + ((x & 1n) << 255n);
  return Uint8Array.from({ length: 32 }, () => { const byte = Number(n & 255n); n >>= 8n; return byte; });
}
const combine = (a, first, b, [x, y]) => bytesOf(flat(sum(times(a, first), times(b, [P - x, y]))));
const sha512 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-512", join(...parts)));
const neutral = ([x, y]) => x === 0n && y === 1n;

async function vrfOutput(publicKey, proof, alpha) {
  const key = point(publicKey), gamma = point(proof.subarray(0, 32));
  const c = little(proof.subarray(32, 48)), s = little(proof.subarray(48));
  const base = point(bytesOf([0n, mod(4n * power(5n, P - 2n))]));
  if (!key || !gamma || !base || s >= Q || neutral(flat(times(8n, key)))) return null;
  for (let counter = 0; counter < 256; counter++) {
    const digest = await sha512(Uint8Array.of(3, 1), publicKey, alpha, Uint8Array.of(counter, 0));
    const candidate = point(digest.subarray(0, 32));
    if (!candidate) continue;
    const hashed = flat(times(8n, candidate));
    if (neutral(hashed)) continue;
    const u = combine(s, base, c, key), v = combine(s, hashed, c, gamma);
    const check = await sha512(Uint8Array.of(3, 2), publicKey, bytesOf(hashed), proof.subarray(0, 32), u, v, Uint8Array.of(0));
    if (!same(check.subarray(0, 16), proof.subarray(32, 48))) return null;
    return sha512(Uint8Array.of(3, 3), bytesOf(flat(times(8n, gamma))), Uint8Array.of(0));
  }
  return null;
}

// ---------------------------------------------------------------------------- the bundle

function readLabel(value) {
  if (!/^[0-9a-f]{64}$/.test(string(value, "label"))) throw new Rejected("ALTERED", "the label is not 32 bytes in hex");
  return Uint8Array.from(value.match(/../g), (pair) => parseInt(pair, 16));
}

function checkLeaf0(value, tree, policy) {
  const own = tree.origin === policy.logs[0].name, where = `entry 0 of ${own ? "the log" : tree.origin}`;
  const leaf = fields(value, "record proof", "leaf0"), record = string(leaf.record, "leaf0's record");
  checkPlace(0, join(Uint8Array.of(3), encoder.encode(record)), leaf.proof, tree, where);
  const said = canonical(record, where);
  if (!said || said.kind !== "ledger-opened" || said.v !== 1) throw new Rejected("ALTERED", `${where} does not open a ledger`);
  const keys = JSON.stringify(policy.logs.map((key) => key.line));
  if (said.origin !== tree.origin || (own && JSON.stringify(said.log_keys) !== keys)) {
    throw new Rejected("UNKNOWN-KEY", `${where} names another log or other log keys than the trust policy`);
  }
  if (JSON.stringify(said.vrf) !== JSON.stringify({ public: base64(policy.vrf), suite: SUITE })) {
    throw new Rejected("UNKNOWN-KEY", `${where} names another label key than the trust policy`);
  }
  if (!Array.isArray(said.log_keys) || !said.log_keys.length) throw new Rejected("ALTERED", `${where} does not say by which keys the log signs`);
  let signs;
  try { signs = said.log_keys.map((line) => vkey(string(line, where), [ED25519, MLDSA44])); } catch (error) {
    throw new Rejected("ALTERED", `${where} does not say by which keys the log signs: ${error.message}`);
  }
  if (signs.some((key) => key.name !== tree.origin)) throw new Rejected("ALTERED", `${where} does not say by which keys the log signs`);
  if (said.previous === undefined) return { before: null, signs };
  const before = fields(said.previous, "origin size root", `${where}: the log before it`);
  return { before: { origin: string(before.origin, where), size: whole(before.size, where), root: b64(before.root, where, 32) }, signs };
}

const ENTRY_KEY = sha256(encoder.encode("erti/entry/v1")), CHAIN = encoder.encode("erti/chain/v1");

function readEntry(value, place, label, tree) {
  const where = `entry ${place}`;
  let commitment, record = null, sealed = null;
  if (value && typeof value === "object" && "erased" in value) {
    fields(value, "index commitment erased proof", where);
    if (value.erased !== true) throw new Rejected("ALTERED", `${where}: erased is not true`);
    commitment = b64(value.commitment, `${where}: its commitment`, 32);
  } else {
    sealed = (value && typeof value === "object" && value.sealed) || null;
    fields(value, `index record nonce proof${sealed ? " sealed" : ""}`, where);
    const words = encoder.encode(string(value.record, `${where}: its record`));
    const nonce = b64(value.nonce, `${where}: its nonce`, 32);
    commitment = hmac(ENTRY_KEY, nonce, uint(words.length, 4), words);
    record = canonical(value.record, where);
    if (!record || typeof record !== "object" || record.v !== 1) throw new Rejected("ALTERED", `${where}: its record is not one this verifier knows`);
    if (record.chain !== hex(label)) throw new Rejected("ALTERED", `${where} belongs to somebody else's history`);
    if ((record.kind === "withheld-revealed") !== (sealed !== null)) {
      throw new Rejected("MISSING", `${where} was withheld, and its proof is left out, or is not its own`);
    }
  }
  const index = whole(value.index, `${where}: its index`);
  checkPlace(index, join(Uint8Array.of(1), commitment), value.proof, tree, where);
  return { origin: tree.origin, number: place, index, commitment, record, sealed };
}

function readEntries(log, label, tree) {
  const count = whole(log.n, "n");
  if (!Array.isArray(log.entries)) throw new Rejected("ALTERED", "entries is not a list");
  const entries = log.entries.map((value, i) => readEntry(value, i + 1, label, tree));
  for (let i = 1; i < entries.length; i++) {
    if (entries[i].index <= entries[i - 1].index) throw new Rejected("ALTERED", `entries have changed places: number ${i + 1} stands before the last one`);
  }
  let head = sha256(CHAIN, label);
  for (const entry of entries) {
    const said = entry.record ? whole(entry.record.seq, `entry ${entry.number}: its number`) : entry.number;
    if (said > entry.number) throw new Rejected("MISSING", `number ${entry.number} is left out: number ${said} stands in its place`);
    if (said < entry.number) throw new Rejected("ALTERED", `number ${said} stands where ${entry.number} belongs`);
    if (entry.record && entry.record.prev !== base64(head)) throw new Rejected("ALTERED", `entry ${entry.number} does not follow the one before it`);
    head = sha256(CHAIN, head, entry.commitment);
  }
  if (entries.length !== count) throw new Rejected("MISSING", `the bundle says ${count} entries and holds ${entries.length}`);
  if (!same(head, b64(log.head, "head", 32))) throw new Rejected("ALTERED", `the ${count} entries lead to another head than the one given`);
  return { entries, head };
}

// A log of an earlier year ended as the next one says: as the log itself signed, and witnesses saw it end.
async function checkEnd(value, tree, policy, keys) {
  const where = `the last checkpoint of ${tree.origin}`;
  const ended = await signedCheckpoint(string(value, where), policy, keys);
  if (ended.origin !== tree.origin || ended.size !== tree.size || !same(ended.root, tree.root)) {
    throw new Rejected("FORK", `${where} is of another tree than the next log says that it ended with`);
  }
  wantQuorum(policy, ended, `${where} was seen by too few witnesses: it may have been rewritten since`);
}

async function readLogs(value, label, newest, policy) {
  if (!Array.isArray(value) || !value.length) throw new Rejected("ALTERED", "logs is not a list of logs");
  const trees = [], keys = new Map();
  let expected = newest, all = [];
  for (const section of [...value].reverse()) {
    if (!expected || (section?.origin !== undefined && section.origin !== expected.origin)) throw new Rejected("MISSING", "a log is left out or out of order");
    const log = fields(section, `origin leaf0 map n head entries${trees.length ? " checkpoint" : ""}`, "a log");
    const tree = expected;
    if (keys.has(tree.origin)) throw new Rejected("ALTERED", `${tree.origin} is named twice, as a log and as one before it`);
    const { before, signs } = checkLeaf0(log.leaf0, tree, policy);
    expected = before;
    keys.set(tree.origin, signs);
    if (trees.length) await checkEnd(log.checkpoint, tree, policy, signs);
    const { entries, head } = readEntries(log, label, tree);
    checkMap(log.map, label, entries.length, head, tree);
    trees.push(tree);
    all = [...entries, ...all];
  }
  if (expected) throw new Rejected("MISSING", `the log before is left out: ${expected.origin}`);
  let said = 0;
  for (const { record, number } of all) {
    if (record?.kind === "history-erased" && record.data && typeof record.data === "object") {
      said += whole(record.data.entries, `entry ${number}: how many were erased`);
    }
  }
  const gone = all.filter((entry) => !entry.record).length;
  if (gone < said) throw new Rejected("ALTERED", `${said} entries were erased, as the history says, and ${gone} are: some were put back`);
  return { trees, keys, entries: all };
}

function readEarlier(value, trees) {
  if (value === null) return;
  const found = fields(value, "origin size root proof", "earlier");
  const size = whole(found.size, "earlier: size"), root = b64(found.root, "earlier: its root", 32);
  const now = trees.find((tree) => tree.origin === string(found.origin, "earlier: origin"));
  if (!Array.isArray(found.proof) || !now || size < 1 || size > now.size) throw new Rejected("ALTERED", "earlier: it is not of a log of this bundle, or not a smaller tree of it");
  const proof = found.proof.map((step) => b64(step, "earlier: a step of its proof", 32));
  if (!grew({ size, root }, now, proof)) throw new Rejected("FORK", "the tree does not extend the earlier one that the bundle names");
}

// ---------------------------------------------------------------------------- what the law withheld

const SPLIT_KEY = sha256(encoder.encode("erti/withheld/v1"));
const SEALED_WITHIN = 2 * 86400, TOLD_WITHIN = 86400; // seconds that the proof of a time, and the telling, may take

function moment(value, where) {
  const text = string(value, where), at = Date.parse(text) / 1000;
  // A day that does not exist, 31 April, is a day of the next month to some browsers: so it is written back.
  if (!/^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\.[0-9]{3}Z$/.test(text) || !Number.isFinite(at)
    || new Date(at * 1000).toISOString() !== text) {
    throw new Rejected("ALTERED", `${where} is not a time`);
  }
  return at;
}

function publicRecord(value, kind, trees, where) {
  const tree = trees.find((one) => one.origin === value.origin);
  if (!tree) throw new Rejected("ALTERED", `${where} is in a log that this history does not go through`);
  const record = string(value.record, where), index = whole(value.index, `${where}: its place`);
  checkPlace(index, join(Uint8Array.of(3), encoder.encode(record)), value.proof, tree, where);
  const said = canonical(record, where);
  if (!said || typeof said !== "object" || said.v !== 1 || said.kind !== kind) throw new Rejected("ALTERED", `${where} is not a record of the kind ${kind}`);
  return { data: said.data, tree, index };
}

function readCount(value, trees) {
  if (value === null) return null;
  const where = "the count of what the law withholds";
  const found = fields(value, "origin index record proof", where);
  const said = fields(publicRecord(found, "withheld-count", trees, where).data, "at_most counts least month", where);
  whole(said.at_most, where);
  if (!/^[0-9]{4}-[0-9]{2}$/.test(string(said.month, where))) throw new Rejected("ALTERED", `${where} is not of a month`);
  return said;
}

// That what an entry reveals stood in the log of what is withheld when it says so: see erti_verify.check_withheld.
async function checkWithheld(entry, label, policy, { trees, keys }) {
  const where = `entry ${entry.number}, which was withheld`, { data } = entry.record;
  if (!data || typeof data !== "object" || Array.isArray(data)) throw new Rejected("ALTERED", `${where} says nothing`);
  const own = fields(data.sealed, "index log nonce place", where);
  const read = fields(data.read, "actor at chain data event kind v", where);
  const shown = fields(entry.sealed, "checkpoint open proof", where);
  const facts = read.data && typeof read.data === "object" ? read.data : {};
  if (read.chain !== hex(label) || ["agency", "purpose", "outcome", "disclose_after"].some((name) => data[name] !== facts[name])) {
    throw new Rejected("ALTERED", `${where} is of somebody else, or says otherwise than what it reveals`);
  }
  const words = encoder.encode(written(read));
  const nonce = b64(own.nonce, `${where}: its nonce`, 32), place = b64(own.place, `${where}: its place`, 32);
  const commitment = hmac(SPLIT_KEY, hmac(ENTRY_KEY, nonce, uint(words.length, 4), words), place);
  const opened = fields(shown.open, "checkpoint extends index origin proof record", where);
  const { data: said, tree, index } = publicRecord(opened, "withheld-checkpoint", trees, `${where}: the record of its time`);
  const signs = keys.get(tree.origin), note = string(shown.checkpoint, `${where}: its checkpoint`), name = string(own.log, `${where}: its log`);
  if (keys.has(name)) throw new Rejected("ALTERED", `${where} stands in an open log`);
  const sealed = splitNote(note).tree; // the open log holds its hash, so it needs no signature of its own to be believed
  if (sealed.origin !== name) throw new Rejected("ALTERED", `${where}: its checkpoint is of another log`);
  checkPlace(whole(own.index, `${where}: its place`), join(Uint8Array.of(1), commitment), shown.proof, sealed, where);
  fields(said, "sha256", where);
  if (said.sha256 !== hex(sha256(encoder.encode(note)))) throw new Rejected("ALTERED", `${where}: the open log holds the hash of another checkpoint`);
  const then = await signedCheckpoint(string(opened.checkpoint, `${where}: the open checkpoint`), policy, signs);
  if (!Array.isArray(opened.extends) || index >= then.size || then.size > tree.size) {
    throw new Rejected("ALTERED", `${where}: the open checkpoint does not cover the record of its time`);
  }
  const proof = opened.extends.map((step) => b64(step, `${where}: a step of a proof`, 32));
  if (!grew(then, tree, proof)) throw new Rejected("FORK", `${where}: the open log does not extend the tree that it signed then`);
  const at = moment(read.at, where);
  if ((then.signedAt ?? 0) > at + SEALED_WITHIN) throw new Rejected("LATE", `${where}: it claims ${read.at}, and is proved from later on only`);
  const due = moment(data.disclose_after, where), told = moment(entry.record.at, where);
  return { at, due, told, proved: then.signedAt ?? 0, late: told > due + TOLD_WITHIN, alone: !met(policy, then.witnesses) };
}

// What a bundle proves under a policy (both as text): citizen, entries, trees, witnesses, when it was signed.
// Throws Rejected with the first thing that is wrong, Unusable if the policy is no policy.
export async function verify(text, policyText) {
  const policy = readPolicy(policyText);
  const bundle = canonical(text, "the bundle");
  fields(bundle, "format citizen label vrf_proof logs checkpoint earlier withheld", "the bundle");
  if (bundle.format !== FORMAT) throw new Rejected("ALTERED", `the bundle's format is not ${FORMAT}`);
  const citizen = string(bundle.citizen, "citizen");
  const signed = await openCheckpoint(string(bundle.checkpoint, "checkpoint"), policy);
  const label = readLabel(bundle.label);
  const history = await readLogs(bundle.logs, label, signed, policy);
  readEarlier(bundle.earlier, history.trees);
  const country = readCount(bundle.withheld, history.trees);
  const kept = [];
  for (const entry of history.entries) {
    if (entry.record?.kind === "withheld-revealed") kept.push(await checkWithheld(entry, label, policy, history));
  }
  const output = await vrfOutput(policy.vrf, b64(bundle.vrf_proof, "vrf_proof", 80), encoder.encode(citizen));
  if (!output || !same(sha256(output), label)) throw new Rejected("ALTERED", `the label is not proved to be the one of citizen ${citizen}`);
  const erased = history.entries.filter((entry) => !entry.record).length;
  const late = kept.filter((one) => one.late).length, unseen = kept.filter((one) => one.alone).length;
  return { ...history, citizen, erased, country, late, unseen, kept: kept.length, signedAt: signed.signedAt, witnesses: signed.witnesses, skipped: signed.skipped, unchecked: signed.unchecked };
}
