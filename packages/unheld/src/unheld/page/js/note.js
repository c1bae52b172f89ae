// Signed notes and log keys (C2SP signed-note 1.0.0), checkpoints (C2SP tlog-checkpoint 1.0.0).

const MAX_NOTE_BYTES = 1000000;
const MAX_SIGNATURES = 100;
const MAX_SIZE = 2n ** 63n - 1n;
const ED25519 = 1;
const DASH = "\u2014 ";
const CONTROL = /[\x00-\x09\x0b-\x1f]/;
const NO_NAME = /^$|[+\s\x1c-\x1f\x85]/;

// A byte order mark is no space to the other verifier, so it is none here.
const isName = (name) => !NO_NAME.test(name.replace(/\ufeff/g, "_"));

async function parseKey(text) {
  const failure = unreadable("bad_key");
  const [name, id, ...rest] = text.split("+");
  if (!rest.length || !isName(name) || !/^[0-9a-f]{8}$/.test(id)) throw failure;
  const data = base64Bytes(rest.join("+"), failure);
  if (data.length !== 33 || data[0] !== ED25519) throw failure;
  const found = (await sha256(utf8(name), utf8("\n"), data)).slice(0, 4);
  if (hexText(found) !== id) throw failure;
  return { name, id, publicKey: data.slice(1) };
}

function parseSignature(line) {
  const failure = unreadable("damaged_checkpoint");
  if (!line.startsWith(DASH)) throw failure;
  const space = line.indexOf(" ", DASH.length);
  const name = line.slice(DASH.length, space < 0 ? undefined : space);
  if (space < 0 || !isName(name)) throw failure;
  const data = base64Bytes(line.slice(space + 1), failure);
  if (data.length < 5) throw failure;
  return { name, id: hexText(data.slice(0, 4)), value: data.slice(4) };
}

function parseNote(bytes) {
  const failure = unreadable("damaged_checkpoint");
  if (bytes.length > MAX_NOTE_BYTES) throw failure;
  const whole = textOf(bytes, failure);
  const blank = whole.lastIndexOf("\n\n");
  if (CONTROL.test(whole) || blank < 0 || !whole.endsWith("\n")) throw failure;
  const lines = whole.slice(blank + 2, -1).split("\n");
  if (blank + 2 >= whole.length || lines.length > MAX_SIGNATURES) throw failure;
  return { text: whole.slice(0, blank + 1), signatures: lines.map(parseSignature) };
}

const isDecimal = (text) => /^(0|[1-9][0-9]{0,19})$/.test(text);

function parseCheckpoint(text) {
  const failure = unreadable("damaged_checkpoint");
  const lines = text.split("\n");
  if (lines.length < 4 || lines.pop() !== "" || lines.includes("")) throw failure;
  const [origin, size, encoded] = lines;
  if (!isDecimal(size) || BigInt(size) > MAX_SIZE) throw failure;
  const root = base64Bytes(encoded, failure);
  if (root.length !== 32) throw failure;
  return { origin, size: BigInt(size), root };
}

// The checkpoint of a note that this key signed. One wrong signature of the key condemns the note.
async function verifyCheckpoint(bytes, key) {
  const note = parseNote(bytes);
  const checkpoint = parseCheckpoint(note.text);
  const own = note.signatures.filter((found) => found.name === key.name && found.id === key.id);
  const message = utf8(note.text);
  for (const found of own) if (!(await signed(key.publicKey, found.value, message))) throw untrue("wrong_signature");
  if (!own.length) throw untrue("other_signer", { signers: note.signatures[0].name, key: key.name });
  if (checkpoint.origin !== key.name) throw untrue("other_origin", { origin: checkpoint.origin, key: key.name });
  return checkpoint;
}
