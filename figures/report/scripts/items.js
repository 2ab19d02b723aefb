
// Items: what was chosen before and after, and on opening one, its options
const PAGE = 50;
let page = 0;
let order = { column: "", down: false };
const keyOf = (item) => item.slice(0, 3).join("|");
const MARKS = { right: "right", local: "local", reference: "US" };
const COLUMNS = { question: ([item]) => item[3], right: ([item]) => item[4], us: ([item]) => item[5], before: ([, before]) => before[1], after: ([, , then]) => then[1] };
const selected = () => {
  const after = data.items.methods.indexOf(state.method);
  const [axisName, change] = [at("items-axis").value, at("items-change").value];
  const text = at("items-text").value.trim().toLowerCase();
  const rows = data.items.rows.map((item) => [item, item[6][0], after < 0 ? item[6][0] : item[6][after]]).filter(([item, before, then]) => {
    if (!before || !then) return false;
    if ((state.lang !== "macro" && item[1] !== state.lang) || (axisName && item[0] !== axisName)) return false;
    if (change === "changed" && before[0] === then[0]) return false;
    if (change === "gained" && then[1] <= before[1]) return false;
    if (change === "lost" && then[1] >= before[1]) return false;
    return !text || [item[2], item[3], item[4], item[5], item[7], before[0], then[0]].some((value) => String(value).toLowerCase().includes(text));
  });
  if (!order.column) return rows;
  const of = COLUMNS[order.column];
  const sign = order.down ? -1 : 1;
  return rows.sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    return sign * (typeof x === "number" ? x - y : String(x).localeCompare(String(y), a[0][1]));
  });
};
const chosen = (answer, text) => Boolean(answer) && (answer[2] || [answer[0]]).includes(text); // several where options tie
const drawer = (item, id) => {
  const [, code, , , right, us, answers, english, choices] = item;
  const after = data.items.methods.indexOf(state.method);
  const line = make("tr", undefined, "drawer");
  line.id = id;
  const cell = make("td");
  cell.colSpan = 5;
  if (english) cell.append(make("p", `In English: ${english}`));
  if (choices.length) {
    const table = make("table");
    table.append(heads(["option", "role", "log-likelihood before", "after", "change"]), make("tbody"));
    for (const [text, role, logp] of choices) {
      const [before, then] = [logp[0], logp[after]];
      const number = (value) => (value == null ? "not measured" : value.toFixed(2));
      const marks = [MARKS[role], chosen(answers[0], text) ? "chosen before" : "", after >= 0 && chosen(answers[after], text) ? "chosen after" : ""].filter(Boolean);
      const told = row(["", marks.join(", "), number(before), number(then), before == null || then == null ? "" : share(then - before, true)]);
      told.cells[0].append(written("span", text, code));
      table.tBodies[0].append(told);
    }
    cell.append(table, make("p", "Log-likelihoods are sums over an option's tokens, in nats; the run's normalisation decides which option is chosen.", "note"));
  } else {
    cell.append(make("p", `Right: ${right}${us ? `; US: ${us}` : ""}. The options' scores are not in this run.`));
  }
  const steers = (data.chosen[state.method] || {})[code];
  if (steers) {
    cell.append(make("p", `${label(state.method)}: ${steers.map(([vector, layer, strength]) => `${label(vector)} after block ${layer}, strength ${strengthOf(strength)}`).join("; ")}.`));
  }
  if (hooks.ask) {
    const button = make("button", "Ask the model");
    button.type = "button";
    button.addEventListener("click", () => hooks.ask(item));
    cell.append(button);
  }
  line.append(cell);
  return line;
};
const answer = ([text, hit, tied], item) => {
  const cell = make("td");
  cell.append(written("span", hit > 0 && hit < 1 ? `${text} (tied: ${hit.toFixed(2)} right)` : text, item[1], hit === 1 ? "right" : "wrong"));
  if (item[5] && (tied || [text]).includes(item[5])) cell.append(make("span", "US", "us"));
  if (rightToLeft.has(item[1])) cell.dir = "rtl";
  return cell;
};
const drawItems = () => {
  const rows = selected();
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  const opened = state.item ? rows.findIndex(([item]) => keyOf(item) === state.item) : -1;
  if (opened >= 0 && drawItems.seek) page = Math.floor(opened / PAGE);
  drawItems.seek = false;
  page = Math.min(Math.max(0, page), pages - 1);
  const body = at("items-table").tBodies[0];
  body.replaceChildren(...rows.slice(page * PAGE, (page + 1) * PAGE).flatMap(([item, before, then], place) => {
    const line = make("tr");
    const question = make("th");
    question.scope = "row";
    const open = keyOf(item) === state.item;
    const toggle = written("button", item[3], item[1], "open");
    toggle.type = "button";
    toggle.setAttribute("aria-expanded", String(open));
    if (open) toggle.setAttribute("aria-controls", `drawer-${place}`);
    toggle.addEventListener("click", () => {
      state.item = open ? "" : keyOf(item);
      toAddress();
      drawItems();
      const again = [...body.querySelectorAll("button.open")].find((other) => other.dataset.item === keyOf(item));
      if (again) again.focus();
    });
    toggle.dataset.item = keyOf(item);
    question.append(toggle, make("span", `${languageName(item[1])}, ${item[0]}, ${item[2]}`, "where"));
    if (rightToLeft.has(item[1])) question.dir = "rtl";
    line.append(question, written("td", item[4], item[1]), written("td", item[5], item[1]), answer(before, item), answer(then, item));
    return open ? [line, drawer(item, `drawer-${place}`)] : [line];
  }));
  const right = (which) => Number(rows.reduce((sum, values) => sum + values[which][1], 0).toFixed(2));
  const lacking = data.items.methods.includes(state.method) ? "" : `${label(state.method)} has no answers by question here, so those of the unsteered model are shown. `;
  at("items-count").textContent = `${lacking}${rows.length} questions, ${state.lang === "macro" ? "all languages" : languageName(state.lang)}, under ${label(state.method)}; right before ${right(1)}, after ${right(2)}`;
  at("items-page").textContent = `page ${page + 1} of ${pages}`;
  at("items-back").disabled = page === 0;
  at("items-on").disabled = page === pages - 1;
  for (const button of at("items-table").querySelectorAll("thead button")) {
    const own = button.dataset.column === order.column;
    button.closest("th").setAttribute("aria-sort", own ? (order.down ? "descending" : "ascending") : "none");
  }
};
if (at("items-table")) {
  fill(at("items-axis"), [["", "all"], ["universal", "facts"], ["cultural", "customs"]]);
  const fromStart = () => { page = 0; drawItems(); };
  for (const id of ["items-axis", "items-change"]) at(id).addEventListener("change", fromStart);
  at("items-text").addEventListener("input", fromStart);
  at("items-back").addEventListener("click", () => { page -= 1; drawItems(); });
  at("items-on").addEventListener("click", () => { page += 1; drawItems(); });
  for (const button of at("items-table").querySelectorAll("thead button")) {
    button.addEventListener("click", () => {
      const { column } = button.dataset;
      order = { column, down: order.column === column && !order.down };
      fromStart();
    });
  }
  followers.push(fromStart);
}
