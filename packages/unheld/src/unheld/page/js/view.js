// What the reader sees of a check: outcome first, then the words, when, what is not proven, the steps, the raw parts.

const ICONS = { verified: "\u2713", false: "\u2717", unknown: "?", unreadable: "!", none: "\u2013" };

const icon = (outcome) => element("span", { class: "icon", "aria-hidden": "true" }, ICONS[outcome]);

const paragraph = (key, values) => element("p", {}, ...say(key, values));

function hero(check) {
  const title = element("h2", { id: "outcome", tabindex: "-1" }, icon(check.outcome), " ");
  title.append(element("span", {}, ...say(`outcome.${check.outcome}`)));
  const made = element("div", { class: "hero" }, title);
  if (check.outcome === "verified") made.append(...claim(check));
  else made.append(paragraph(`why.${check.why}`, check.values), ...next(check));
  return made;
}

// Nothing is wrong with a file that no key was there for.
const next = (check) => (check.why === "bad_key" ? [] : [paragraph(`next.${check.outcome}`)]);

function claim(check) {
  if (check.paper) return [paragraph("plain.paper"), exact(paperSentence(check.found))];
  return [paragraph(plain(check.found)), exact(sentence(check.found))];
}

const exact = (words) => element("p", { class: "exact", lang: "en" }, words);

function whenOf(check) {
  const day = check.paper ? check.found.document.day : check.found.statement.day;
  return [
    element("h3", {}, ...say("when")),
    paragraph("when.day", { day }),
    paragraph("when.log", { size: check.found.head.size, origin: check.found.head.origin }),
  ];
}

function limits(check) {
  const kinds = check.paper ? ["paper", ...restKinds(check.found.document)] : [check.found.statement.kind];
  const items = notProven(kinds).map((key) => element("li", {}, ...say(key)));
  return [element("h3", {}, ...say("unproven")), element("ul", { id: "unproven" }, items)];
}

function stepItem(check, number) {
  const told = check.told[number];
  const failed = check.step === number;
  const state = told ? "verified" : failed ? check.outcome : "none";
  const key = `${check.paper ? "paper." : ""}step.${number}`;
  const words = told ? say(...told) : failed ? say(`why.${check.why}`, check.values) : [];
  const name = element("b", {}, ...say(key));
  const made = element("li", { "data-state": state }, icon(state), " ", name, " \u2013 ", ...say(`state.${state}`));
  if (words.length) made.append(element("div", { class: "found" }, ...words));
  return made;
}

function steps(check) {
  const items = [1, 2, 3, 4, 5, 6, 7].map((number) => stepItem(check, number));
  return [element("h3", {}, ...say("steps")), element("ol", { id: "steps" }, items)];
}

function rawOf(check) {
  if (check.paper) return check.found.document;
  const { statement, party, entry, index, head } = check.found;
  const log = { origin: head.origin, size: String(head.size), root: hexText(head.root), entry: hexText(entry) };
  const shownParty = party && { ...party, r: hexText(party.r), path: party.path.map(hexText) };
  return { log: { ...log, index: String(index) }, statement, ...(party ? { party: shownParty } : {}) };
}

function raw(check) {
  const text = JSON.stringify(rawOf(check), null, 1).split("\n").map(oneLine).join("\n");
  return element("details", {}, element("summary", {}, ...say("raw")), element("pre", { lang: "en" }, text));
}

// `check`: {outcome, paper, told, step, why, values, found, engine}, as main.js makes it.
function show(check) {
  const result = document.getElementById("result");
  const parts = [hero(check)];
  if (check.outcome === "verified") parts.push(...whenOf(check), ...limits(check));
  if (check.why !== "bad_key") parts.push(...steps(check));
  if (check.outcome === "verified") parts.push(raw(check));
  parts.push(element("p", { class: "small" }, ...say("checked_with", { engine: check.engine })));
  result.replaceChildren(...parts);
  result.className = check.outcome;
  result.hidden = false;
  result.dataset.step = check.step || "";
  result.dataset.outcome = check.outcome;
}

function clearResult() {
  const result = document.getElementById("result");
  result.replaceChildren();
  result.hidden = true;
  delete result.dataset.outcome;
}

// Puts the words of the chosen language into the page's own texts.
function translate() {
  document.documentElement.lang = language;
  document.getElementById("unreviewed").hidden = language === "en";
  for (const place of document.querySelectorAll("[data-say]")) place.replaceChildren(...say(place.dataset.say));
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
}
