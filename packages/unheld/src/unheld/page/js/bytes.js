// Bytes and texts, and the three ways in which a check can end badly. They are never mixed up.

class Failure extends Error {
  constructor(outcome, why, values) {
    super(why);
    Object.assign(this, { outcome, why, values: values || {} });
  }
}

const unreadable = (why, values) => new Failure("unreadable", why, values);
const untrue = (why, values) => new Failure("false", why, values);
const unknown = (why, values) => new Failure("unknown", why, values);

const utf8 = (text) => new TextEncoder().encode(text);

function textOf(bytes, failure) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (_) {
    throw failure;
  }
}

function base64Text(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

// Only base64 written in its one canonical way: atob alone would pass over spaces and missing padding.
function base64Bytes(text, failure) {
  let binary;
  try {
    binary = atob(text);
  } catch (_) {
    throw failure;
  }
  if (btoa(binary) !== text) throw failure;
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

const isHex = (text) => typeof text === "string" && /^[0-9a-f]*$/.test(text) && text.length % 2 === 0;

function hexBytes(text, failure) {
  if (!isHex(text)) throw failure;
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

const hexText = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// Everything compared here is public, so the time it takes tells nothing.
const sameBytes = (left, right) => left.length === right.length && left.every((byte, i) => byte === right[i]);

// Where `mark` begins in bytes, or -1.
function indexOfBytes(bytes, mark) {
  for (let at = bytes.indexOf(mark[0]); at >= 0; at = bytes.indexOf(mark[0], at + 1)) {
    if (mark.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

// Named one by one: joined to one text, a key with a comma in it would stand for two.
function hasExactly(value, names) {
  if (!isObject(value)) return false;
  const own = Object.keys(value);
  return own.length === names.length && names.every((name) => own.includes(name));
}
