// Statements (docs/spec/statement.md). TABLES comes from unheld_verify.statement when the page is built.

const VERSION = 1;
const R_BYTES = 32;
const COMMON = ["v", "log", "kind", "day"];
const MAX_DEPTH = 8;

const isInteger = (value) => typeof value === "number" && Number.isInteger(value);
// Characters are counted as code points.
const isText = (value) => typeof value === "string" && value !== "" && [...value].length <= TABLES.max_text;

function isDate(value) {
  if (typeof value !== "string" || !/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(value)) return false;
  const [year, month, day] = value.split("-").map(Number);
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1];
}

// By code points, as the other verifier orders: JavaScript's own order of texts is by halves of them.
function before(left, right) {
  if (isInteger(left)) return left < right;
  const [a, b] = [left, right].map((side) => (typeof side === "string" ? [...side] : side));
  const at = a.findIndex((item, i) => i >= b.length || item !== b[i]);
  if (at < 0) return a.length < b.length;
  if (at >= b.length) return false;
  return Array.isArray(left) ? before(a[at], b[at]) : a[at].codePointAt(0) < b[at].codePointAt(0);
}

function isShallow(value, depth = MAX_DEPTH) {
  const inner = typeof value === "object" ? Object.values(value) : [];
  return depth > 0 && inner.every((item) => isShallow(item, depth - 1));
}

const isKey = (value) =>
  parseKey(value).then(
    () => true,
    () => false,
  );

const CHECKS = {
  hex: (value, shape) => isHex(value) && value.length === shape.digits,
  number: (value, shape) => isInteger(value) && value >= shape.least,
  power: (value, shape) => isInteger(value) && value >= shape.least && !(BigInt(value) & (BigInt(value) - 1n)),
  text: isText,
  date: isDate,
  key: async (value) => isText(value) && isKey(value),
  name: (value) => isText(value) && isName(value),
  text_or_object: (value) => isText(value) || (isObject(value) && isShallow(value)),
  one_of: (value, shape) => shape.names.includes(value),
  pair: (value, shape) => Array.isArray(value) && value.length === 2 && value.every((v, i) => fits(v, shape.each[i])),
  ascending: (value, shape) =>
    Array.isArray(value) &&
    value.length >= shape.least &&
    value.every((item) => fits(item, shape.each)) &&
    value.every((item, i) => i === 0 || before(value[i - 1], item)),
};

const fits = (value, shape) => CHECKS[shape.check](value, shape);

function fieldsOf(kind) {
  return Object.prototype.hasOwnProperty.call(TABLES.kinds, kind) ? TABLES.kinds[kind] : null;
}

// Entry = HMAC-SHA-256(r, statement). HMAC fills a shorter key with zeros: r of another length opens it a second time.
async function entryOf(r, statement) {
  if (r.length !== R_BYTES) throw untrue("bad_r", { length: r.length });
  return hmacSha256(r, utf8(canonical(statement, untrue("bad_statement"))));
}

// The first field that is not what it has to be, or undefined.
async function wrongField(statement, fields) {
  for (const name of fields) if (!(await fits(statement[name], TABLES.shapes[name]))) return name;
  if (statement.kind === "custodians" && statement.t > statement.n) return "t";
  if (statement.kind === "upgrade" && statement.from >= statement.to) return "to";
  return statement.kind === "standstill" && statement.begins >= statement.ends ? "ends" : undefined;
}

async function verifyStatement(statement, r, origin) {
  if (r.length !== R_BYTES) throw untrue("bad_r", { length: r.length });
  if (isInteger(statement.v) && statement.v !== VERSION) throw unknown("unknown_version", { version: statement.v });
  if (typeof statement.kind === "string" && !fieldsOf(statement.kind)) {
    throw unknown("unknown_kind", { kind: statement.kind });
  }
  const known = isInteger(statement.v) && typeof statement.kind === "string";
  if (!known || !isText(statement.log) || !isDate(statement.day)) throw untrue("bad_statement");
  const fields = fieldsOf(statement.kind);
  if (!hasExactly(statement, [...COMMON, ...fields])) throw untrue("bad_fields", { kind: statement.kind });
  const off = await wrongField(statement, fields);
  if (off) throw untrue("bad_field", { kind: statement.kind, field: off });
  if (statement.log !== origin) throw untrue("other_log", { log: statement.log, origin });
}
