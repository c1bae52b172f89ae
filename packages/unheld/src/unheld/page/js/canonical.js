// RFC 8785 for objects with ASCII keys, lists, texts, booleans and integers below 2^53; all else is refused.

const LIMIT = 2 ** 53;
const MOST_NESTED = 100;
const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?:[^\ud800-\udbff]|^)[\udc00-\udfff]/;

function canonicalText(text, failure) {
  if (LONE.test(text)) throw failure;
  return JSON.stringify(text);
}

function canonicalNumber(value, failure) {
  if (!Number.isInteger(value) || Math.abs(value) >= LIMIT) throw failure;
  return String(value);
}

function canonicalObject(value, failure, depth) {
  const names = Object.keys(value).sort();
  if (names.some((name) => /[^\x00-\x7f]/.test(name))) throw failure;
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name], failure, depth + 1)}`).join()}}`;
}

// The one text of a value. Throws `failure` for what has none, and for what nests too deep.
function canonical(value, failure, depth = 0) {
  if (typeof value === "object" && depth === MOST_NESTED) throw failure;
  if (typeof value === "boolean") return String(value);
  if (typeof value === "string") return canonicalText(value, failure);
  if (typeof value === "number") return canonicalNumber(value, failure);
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, failure, depth + 1)).join()}]`;
  if (isObject(value)) return canonicalObject(value, failure, depth);
  throw failure;
}

// The value of canonical bytes. Keys that stand twice, other numbers and other spacing do not come back the same.
function decoded(bytes, failure) {
  const text = textOf(bytes, failure);
  let value, again;
  try {
    value = JSON.parse(text);
    again = canonical(value, failure);
  } catch (_) {
    throw failure;
  }
  if (again !== text) throw failure;
  return value;
}
