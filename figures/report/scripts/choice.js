
// Names of methods
const label = (method) => (data.looks[method] ? data.looks[method].label : method.replaceAll("_", " "));
const strengthOf = (strength) => (typeof strength === "number" ? String(Number(strength.toPrecision(3))) : strength);
const look = (method) => data.looks[method] || { label: label(method), color: "#767676", symbol: "circle", control: false };

// What is looked at: one choice for every chart, kept in the address
const scored = distinct(data.plane, "language").sort((a, b) => (b === "macro") - (a === "macro"));
const languages = scored.length === 2 && scored[0] === "macro" ? [scored[1]] : scored; // the mean over one language is that language
const methods = distinct(data.plane, "method").filter((name) => name !== "base" && !look(name).control);
const state = { lang: languages[0], method: methods.includes("surgical") ? "surgical" : methods[0] || "", item: "" };
const fromAddress = () => {
  const asked = new URLSearchParams(location.hash.slice(1));
  if (languages.includes(asked.get("lang"))) state.lang = asked.get("lang");
  if (methods.includes(asked.get("method"))) state.method = asked.get("method");
  if (asked.has("lang") || asked.has("item")) state.item = asked.get("item") || "";
  return asked.get("at");
};
const toAddress = (section) => {
  const told = new URLSearchParams({ lang: state.lang, method: state.method });
  if (state.item) told.set("item", state.item);
  if (section) told.set("at", section);
  history.replaceState(null, "", `#${told}`);
};
const followers = [];
const choose = (change) => {
  Object.assign(state, change);
  toAddress();
  for (const follow of followers) follow();
};
const retell = () => {
  for (const [name, words] of Object.entries(data.words)) say(name, words[state.lang] || words.macro);
  for (const [name, tables] of Object.entries(data.numbers)) {
    const place = at(`numbers-${name}`);
    if (!place) continue;
    const rows = tables[state.lang] || [];
    place.tBodies[0].replaceChildren(...rows.map(row));
    place.caption.textContent = `${place.caption.dataset.text} (${languageName(state.lang)})`;
  }
};
followers.push(retell, again);
