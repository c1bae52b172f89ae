// The seven steps of docs/spec/receipt.md. Each finished step is told; the first that fails ends the check.

// Runs one step and names it in whatever it throws.
async function step(number, action) {
  try {
    return await action();
  } catch (error) {
    if (error instanceof Failure) error.step = number;
    throw error;
  }
}

function parseParty(value) {
  const failure = untrue("bad_party");
  if (!hasExactly(value, ["identity", "store", "r", "index", "path"])) throw failure;
  if (typeof value.identity !== "string" || !isHex(value.store) || value.store.length !== 32) throw failure;
  if (!isInteger(value.index) || !Array.isArray(value.path)) throw failure;
  const path = value.path.map((item) => hexBytes(item, failure));
  return { ...value, path, r: hexBytes(value.r, failure) };
}

function parseExtraJson(extra) {
  if (!extra.length) throw unknown("no_opening");
  const value = decoded(extra, untrue("not_canonical"));
  if (!isObject(value)) throw untrue("bad_opening");
  const { party, ...opening } = value;
  const parsed = Object.keys(value).includes("party") ? parseParty(party) : null;
  if (!hasExactly(opening, ["r", "statement"]) || !isObject(opening.statement)) throw untrue("bad_opening");
  return { statement: opening.statement, r: hexBytes(opening.r, untrue("bad_opening")), party: parsed };
}

// What the leaves of a statement's tree say of an identity, or undefined for a statement about no party.
function leafKind(statement) {
  return Object.prototype.hasOwnProperty.call(TABLES.leaves, statement.kind) ? TABLES.leaves[statement.kind] : undefined;
}

async function verifyParty(party, statement) {
  if (!party) return ["found.no_party", {}];
  const kind = leafKind(statement);
  if (!kind) throw untrue("party_not_expected", { kind: statement.kind });
  const leaf = await entryOf(party.r, { v: 1, kind, identity: party.identity, store: party.store });
  const [root, size] = [hexBytes(statement.root), BigInt(statement.leaves)];
  const failure = untrue("party_not_included");
  await verifyInclusion(BigInt(party.index), size, await leafHash(leaf), party.path, root, failure);
  return ["found.party", { identity: party.identity, index: party.index, leaves: statement.leaves }];
}

async function verifyReceipt(bytes, key, tell) {
  const proof = await step(1, () => parseProof(bytes));
  tell(1, "found.form", { index: proof.index });
  const head = await step(2, () => verifyCheckpoint(proof.checkpoint, key));
  tell(2, "found.checkpoint", { name: key.name, id: key.id, size: head.size });
  const opening = await step(3, async () => {
    const parsed = parseExtraJson(proof.extra);
    await verifyStatement(parsed.statement, parsed.r, head.origin);
    return parsed;
  });
  tell(3, "found.opening", {});
  const entry = await step(4, () => entryOf(opening.r, opening.statement));
  tell(4, "found.entry", { entry: hexText(entry) });
  await step(5, async () => {
    const leaf = await leafHash(entry);
    await verifyInclusion(proof.index, head.size, leaf, proof.path, head.root, untrue("not_included"));
  });
  tell(5, "found.inclusion", { index: proof.index });
  tell(6, ...(await step(6, () => verifyParty(opening.party, opening.statement))));
  tell(7, "found.meaning", {});
  return { ...opening, head, entry, index: proof.index };
}
