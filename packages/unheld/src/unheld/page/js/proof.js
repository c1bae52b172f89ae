// Proof files (c2sp.org/tlog-proof@v1) and inclusion in a tree of RFC 6962.

const HEADER = "c2sp.org/tlog-proof@v1";
const MAX_PROOF_BYTES = 2 * MAX_NOTE_BYTES;
const MAX_PATH = 63;

function parseExtra(lines) {
  if (!lines.length || !lines[0].startsWith("extra ")) return new Uint8Array();
  const extra = base64Bytes(lines.shift().slice(6), unreadable("damaged"));
  if (!extra.length) throw unreadable("damaged");
  return extra;
}

function parseIndex(line) {
  if (!line || !line.startsWith("index ") || !isDecimal(line.slice(6))) throw unreadable("damaged");
  const index = BigInt(line.slice(6));
  if (index > MAX_SIZE) throw unreadable("damaged");
  return index;
}

function parseHash(line) {
  const value = base64Bytes(line, unreadable("damaged"));
  if (value.length !== 32) throw unreadable("damaged");
  return value;
}

function parseProof(bytes) {
  if (bytes.length > MAX_PROOF_BYTES) throw unreadable("too_large");
  const blank = indexOfBytes(bytes, utf8("\n\n"));
  const head = bytes.slice(0, Math.max(blank, 0));
  if (blank < 0 || head.some((byte) => byte > 127)) throw unreadable("no_receipt");
  const lines = textOf(head, unreadable("no_receipt")).split("\n");
  if (lines.shift() !== HEADER) throw unreadable("no_receipt");
  const extra = parseExtra(lines);
  const index = parseIndex(lines.shift());
  if (lines.length > MAX_PATH) throw unreadable("damaged");
  const proof = { index, extra, path: lines.map(parseHash), checkpoint: bytes.slice(blank + 2) };
  parseCheckpoint(parseNote(proof.checkpoint).text);
  return proof;
}

const leafHash = (entry) => sha256(Uint8Array.of(0), entry);
const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

// RFC 9162 section 2.1.3.2: the leaf stands at `index` of `size`, or `failure` is thrown.
async function verifyInclusion(index, size, leaf, path, root, failure) {
  if (path.length > MAX_PATH || path.some((hash) => hash.length !== 32) || root.length !== 32) throw failure;
  if (index < 0n || index >= size) throw failure;
  let [node, last, result] = [index, size - 1n, leaf];
  for (const sibling of path) {
    if (last === 0n) throw failure;
    if (node & 1n || node === last) {
      result = await nodeHash(sibling, result);
      for (; node && !(node & 1n); node >>= 1n) last >>= 1n;
    } else {
      result = await nodeHash(result, sibling);
    }
    [node, last] = [node >> 1n, last >> 1n];
  }
  if (last || !sameBytes(result, root)) throw failure;
}
