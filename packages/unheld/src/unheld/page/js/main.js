// What the reader does. Nothing is kept: what was read is forgotten with the page, or with one press.

const place = (id) => document.getElementById(id);

let given = null; // the bytes of the receipt that was given last
let last = null; // the check that is shown
let round = 0; // a slow check of an earlier file must not replace a later one

// Texts that were copied lose or gain line ends on their way: a receipt ends with one, a paper with none. Bytes of a
// file are taken as they are.
function pastedBytes(text) {
  const bare = text.replace(/\r\n?/g, "\n").trim();
  return utf8(bare.startsWith("{") ? bare : `${bare}\n`);
}

function failed(error, told) {
  if (!(error instanceof Failure)) throw error;
  const { outcome, why, values, step: number } = error;
  return { outcome, why, values, step: number || 0, told };
}

async function checked(bytes, keyText) {
  const told = {};
  const tell = (number, ...words) => (told[number] = words);
  const paper = looksLikePaper(bytes);
  try {
    const key = await parseKey(keyText.replace(/\s+/g, ""));
    const found = await (paper ? verifyPaper : verifyReceipt)(bytes, key, tell);
    return { outcome: "verified", found, told, paper };
  } catch (error) {
    return { ...failed(error, told), paper };
  }
}

async function check() {
  if (!given) return;
  const mine = ++round;
  clearResult();
  const result = await checked(given, place("key").value);
  const used = await engine().catch(() => ({ name: "-" }));
  if (mine !== round) return;
  last = { ...result, engine: used.name };
  show(last);
  place("outcome").focus();
}

function take(bytes) {
  given = bytes;
  return check();
}

async function takeFile(file) {
  if (!file) return;
  place("text").value = "";
  const few = file.slice(0, MAX_PAPER_BYTES + 1); // more is no receipt, and an old phone has little room
  await take(new Uint8Array(await few.arrayBuffer()));
}

function takeText() {
  const text = place("text").value;
  if (text.trim()) take(pastedBytes(text));
  else check();
}

function forget() {
  [given, last] = [null, null];
  round += 1;
  for (const id of ["text", "file"]) place(id).value = "";
  clearResult();
}

function speak(chosen) {
  language = chosen;
  translate();
  if (last) show(last);
}

function listen() {
  place("file").addEventListener("change", (event) => takeFile(event.target.files[0]));
  place("check").addEventListener("click", takeText);
  place("forget").addEventListener("click", forget);
  place("key").addEventListener("input", () => {
    last = null;
    round += 1;
    clearResult();
  });
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => speak(button.dataset.language));
  }
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    takeFile(event.dataTransfer.files[0]);
  });
  // A browser that keeps the page in memory would bring a person's number back with the Back button.
  window.addEventListener("pagehide", forget);
}

listen();
place("off").hidden = true;
place("app").hidden = false;
