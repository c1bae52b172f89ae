// What is said, in the language that is shown. A text that has no translation stays English, by itself.

let language = "en";

const english = (key, values) => filled(TABLES.words.en[key], values);

const translated = (key, values) => {
  const text = language === "en" ? undefined : TABLES.words[language][key];
  return text === undefined ? null : filled(text, values);
};

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => oneLine(String(values[name])));

// What a file holds must not turn, hide or break the words around it: signs that are not seen are written as escapes,
// as unheld_verify.words.one_line writes them.
const oneLine = (text) => text.replace(/[\p{C}\p{Z}]/gu, (sign) => (sign === " " ? sign : escaped(sign)));

function escaped(sign) {
  const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[sign];
  const code = sign.codePointAt(0);
  const [mark, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return short || `\\${mark}${code.toString(16).padStart(digits, "0")}`;
}

// Lists, objects and booleans as unheld_verify.words shows them.
function shown(value) {
  if (Array.isArray(value)) return value.map((item) => (Array.isArray(item) ? item.map(shown).join(" of ") : shown(item))).join(", ") || "none";
  if (isObject(value)) {
    return Object.keys(value)
      .sort()
      .map((name) => `${name} ${shown(value[name])}`)
      .join("; ");
  }
  if (typeof value === "boolean") return value ? "True" : "False";
  return String(value);
}

const shownFields = (fields) => Object.fromEntries(Object.entries(fields).map(([name, v]) => [name, shown(v)]));

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children.flat());
  return made;
}

// A text of the catalogue as nodes; beside a translation stands its English.
function say(key, values) {
  const said = english(key, values || {});
  const other = translated(key, values || {});
  if (language === "en") return [said];
  if (other === null) return [element("span", { lang: "en" }, said)];
  return [element("span", { lang: language }, other), " ", element("span", { lang: "en", class: "beside" }, said)];
}

// The statement as one English sentence, the same as `unheld-verify` says it.
function sentence({ statement, party, head }) {
  const says = english(`says.${statement.kind}`, shownFields(statement));
  const said = english("said", { origin: head.origin, day: statement.day, says });
  if (!party) return said;
  const among = english(`among.${leafKind(statement)}`);
  return `${said} ${english("said_of_party", { identity: party.identity, store: party.store, among })}`;
}

function paperSentence({ document, rests }) {
  const { store, kind, day } = document;
  return english("paper.said", { store, kind, day, rests: english(...rests) });
}

// What statements of these kinds do not prove, the most particular first.
const notProven = (kinds) => [...kinds.map((kind) => `unproven.${kind}`), ...TABLES.unproven];

// The claim in few words, for whoever holds the receipt.
function plain({ statement, party }) {
  const key = `plain.${statement.kind}${party ? ".party" : ""}`;
  return key in TABLES.words.en ? key : "plain.other";
}
