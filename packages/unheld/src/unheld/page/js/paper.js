// The seven steps of docs/spec/paper.md: the proofs in a paper lead from the log's key to headquarters' own key.

const MAX_PAPER_BYTES = 4000000;
const SIGNED = "unheld/v1/paper\n";
const PAPER_FIELDS = ["v", "kind", "log", "store", "day", "salt", "body", "key", "signature", "proofs"];

const MAX_PROOFS = 4096;

// Whether a file is to be checked as a paper: it is JSON, which no receipt is.
const looksLikePaper = (bytes) => /^[\xef\xbb\xbf \t\r\n]*\{/.test(String.fromCharCode(...bytes.slice(0, 100)));

const isProofs = (value) => Array.isArray(value) && value.every((item) => typeof item === "string");

function parsePaper(bytes) {
  const failure = unreadable("damaged_paper");
  if (bytes.length > MAX_PAPER_BYTES) throw unreadable("too_large");
  const document = decoded(bytes, failure);
  if (!isObject(document) || !isInteger(document.v)) throw failure;
  if (document.v !== VERSION) throw unknown("unknown_version", { version: document.v });
  if (!hasExactly(document, PAPER_FIELDS) || !isProofs(document.proofs)) throw failure;
  const [salt, key, signature] = ["salt", "key", "signature"].map((name) => hexBytes(document[name], failure));
  const proofs = document.proofs.map((item) => base64Bytes(item, failure));
  if (typeof document.kind === "string" && !TABLES.papers.includes(document.kind)) {
    throw unknown("unknown_paper", { kind: document.kind });
  }
  const { kind, log, store, day, body } = document;
  const formed = typeof kind === "string" && isText(log) && isHex(store) && store.length === 32 && isDate(day);
  if (!formed || !isObject(body) || salt.length !== 32 || proofs.length > MAX_PROOFS) throw failure;
  return { document, key, signature, proofs };
}

function paperDigest(document) {
  const { signature, proofs, ...unsigned } = document;
  return sha256(utf8(SIGNED), utf8(canonical(unsigned, unreadable("damaged_paper"))));
}

const ofKind = (receipts, kind) => receipts.map((found) => found.statement).filter((found) => found.kind === kind);

const sameValue = (left, right) => canonical(left, untrue("paper_differs")) === canonical(right, untrue("paper_differs"));

async function proven(proof, key) {
  const found = await verifyReceipt(proof, key, () => {});
  if (found.party) throw untrue("paper_names_person");
  return found;
}

function founded(document, receipts) {
  const known = ofKind(receipts, "genesis").find((found) => found.store === document.store && isObject(found.policy));
  if (!known) throw unknown("paper_not_founded");
  if (known.policy.headquarters !== document.key) throw untrue("paper_other_key");
  if (known.day > document.day) throw untrue("paper_before_founding", { day: document.day, founded: known.day });
}

function named(document, digest, receipts, key) {
  if (document.log !== key.name) throw untrue("other_log", { log: document.log, origin: key.name });
  const papers = ofKind(receipts, "paper");
  if (!papers.length) throw unknown("paper_not_named");
  const same = papers.filter((found) => found.paper === document.kind && found.digest === hexText(digest));
  if (!same.length) throw untrue("paper_other_named");
  if (same.every((found) => document.day > found.day)) throw untrue("paper_after_naming", { day: document.day });
}

// The kinds of statements that a paper rests on.
const restKinds = (document) => (document.kind === "certificate" ? ["erase-everything"] : []);

// A certificate rests on the log's own statement that everything was erased, word by word.
function restsOn(document, receipts) {
  if (document.kind !== "certificate") return ["paper.rests_on_nothing", { kind: document.kind }];
  if (document.body.title !== TABLES.certificate_title) throw untrue("paper_title");
  const erased = ofKind(receipts, "erase-everything");
  if (!erased.length) throw unknown("paper_no_erasure");
  const claimed = isObject(document.body.destroyed) ? document.body.destroyed : {};
  if (!erased.some(({ day, slots, copies }) => sameValue(claimed, { day, slots, copies }))) throw untrue("paper_differs");
  if (claimed.day > document.day) throw untrue("paper_before_erasure", { day: document.day, erased: claimed.day });
  return ["paper.rests", { day: claimed.day }];
}

async function verifyPaper(bytes, key, tell) {
  const paper = await step(1, () => parsePaper(bytes));
  const { document } = paper;
  tell(1, "paper.found.form", { kind: document.kind, count: paper.proofs.length });
  const digest = await paperDigest(document);
  await step(2, async () => {
    if (!(await signed(paper.key, paper.signature, joined(utf8(SIGNED), digest)))) throw untrue("paper_signature");
  });
  tell(2, "paper.found.signature", { key: document.key });
  const receipts = await step(3, async () => {
    const checked = [];
    for (const proof of paper.proofs) checked.push(await proven(proof, key));
    return checked;
  });
  tell(3, "paper.found.proofs", { count: receipts.length, log: key.name });
  await step(4, () => founded(document, receipts));
  tell(4, "paper.found.headquarters", { store: document.store });
  await step(5, () => named(document, digest, receipts, key));
  tell(5, "paper.found.named", { digest: hexText(digest) });
  const rests = await step(6, () => restsOn(document, receipts));
  tell(6, ...rests);
  tell(7, "found.meaning", {});
  return { document, receipts, rests, head: receipts[0].head };
}
