
// Asking the model behind the page
if (at("ask")) {
  const token = new URLSearchParams(location.search).get("token") || "";
  const panel = [...crypto.getRandomValues(new Uint8Array(10))].map((value) => value.toString(16).padStart(2, "0")).join("");
  const fetched = (path, more) => fetch(path, { ...more, headers: { Authorization: `Bearer ${token}`, "X-Panel": panel } });
  const tell = (text, bad) => {
    at("ask-state").textContent = text;
    at("ask-state").className = bad ? "problem" : "";
  };
  const gone = "The server does not answer. Start it again with `interp open`, and open the address that it prints.";
  let desk = null;
  let item = null; // of the run: [axis, name]
  let steers = [];
  let last = null; // the request that the answers on the page belong to
  let shown = {};
  let running = null;
  let whole = false; // whether they came to their end

  // The request
  const request = () => ({
    language: at("ask-language").value, cue: at("ask-cue").value, answer: at("ask-answer").value,
    max_new_tokens: Math.min(256, Math.max(1, Math.round(Number(at("ask-tokens").value)) || 32)), steers,
    ...(at("ask-cue").value === "own" ? { cue_text: at("ask-cue-text").value } : {}),
    ...(item ? { item } : { question: at("ask-question").value, options: at("ask-options").value.split("\n").map((line) => line.trim()).filter(Boolean) }),
  });
  const restore = (asked) => {
    if (!desk.languages.includes(asked.language)) {
      tell(`The language ${asked.language} is not one of this run.`, true);
      return false;
    }
    at("ask-language").value = asked.language;
    at("ask-cue").value = asked.cue || "none";
    at("ask-cue-text").value = asked.cue_text || "";
    at("ask-answer").value = asked.answer || "options";
    at("ask-tokens").value = asked.max_new_tokens || 32;
    at("ask-question").value = asked.question || "";
    at("ask-options").value = (asked.options || []).join("\n");
    item = asked.item || null;
    const given = asked.steers || [];
    steers = given.filter((steer) => Object.hasOwn(desk.vectors, steer.vectors) && desk.vectors[steer.vectors].includes(steer.layer))
      .map((steer) => ({ operator: "add", positions: "last", ...steer }));
    at("ask-preset").value = steers.length ? "hand" : "off";
    showItem();
    drawSteers();
    if (steers.length < given.length) tell("Some vectors of this link or note are not in this run and were left out. Check the steering, then press Ask.", true);
    return steers.length === given.length;
  };

  // Items of the run
  const known = () => (data.items ? data.items.rows : []).find((row) => item && row[0] === item[0] && row[2] === item[1] && row[1] === at("ask-language").value);
  const showItem = () => {
    const row = known();
    at("ask-item").hidden = !item;
    at("ask-item").firstElementChild.textContent = item ? `${item[0]} item ${item[1]} of the test split` : "";
    for (const id of ["ask-question", "ask-options"]) at(id).readOnly = Boolean(item);
    if (item) {
      at("ask-question").value = row ? row[3] : "";
      at("ask-options").value = row ? row[8].map(([text]) => text).join("\n") : "";
    }
    const code = at("ask-language").value;
    for (const id of ["ask-question", "ask-options", "ask-cue-text"]) {
      at(id).lang = code;
      at(id).dir = rightToLeft.has(code) ? "rtl" : "auto";
    }
    at("ask-cue-text").parentElement.hidden = at("ask-cue").value !== "own";
    at("ask-options").parentElement.hidden = at("ask-answer").value === "free";
    at("ask-tokens").parentElement.hidden = at("ask-answer").value !== "free";
  };
  let pending = null; // an item that was clicked before the model was there
  hooks.ask = (row) => {
    at("ask").scrollIntoView();
    if (!desk) {
      pending = row;
      return;
    }
    item = [row[0], row[2]];
    at("ask-language").value = row[1];
    at("ask-cue").value = "none";
    at("ask-answer").value = "options";
    preset(at("ask-preset").value);
    showItem();
    ask();
  };

  // Steering by hand
  const SCALED = ["add", "add_keep_norm", "set_projection"]; // operators whose strength multiplies the vector
  const shareOf = (steer) => (desk.shares[steer.vectors] || [])[steer.layer];
  const sizeOf = (steer) => parseFloat(steer.strength);
  const inShares = (steer) => String(steer.strength).endsWith("r");
  const withUnit = (value, shares) => (shares ? `${Number(value.toPrecision(4))}r` : Number(value.toPrecision(4)));
  const both = (steer) => {
    const unit = shareOf(steer);
    if (!unit || !SCALED.includes(steer.operator)) return "";
    return inShares(steer) ? `= ${Number((sizeOf(steer) / unit).toPrecision(3))} times the vector` : `= ${Number((sizeOf(steer) * unit).toPrecision(3))} of the residual norm`;
  };
  const preset = (name) => {
    const code = at("ask-language").value;
    if (name === "off") steers = [];
    else if (desk.chosen[name]) steers = (desk.chosen[name][code] || []).map((steer) => ({ ...steer }));
    else steers = steers.map((steer) => { // by hand: the same vectors in the language
      const [kind] = steer.vectors.split(".");
      return { ...steer, vectors: `${kind}.${code}` in desk.vectors ? `${kind}.${code}` : steer.vectors };
    });
    drawSteers();
  };
  const field = (steer, number, name, input, text) => {
    const wrap = make("label", `${text} `);
    input.id = `ask-${name}-${number}`;
    wrap.htmlFor = input.id;
    wrap.append(input);
    return wrap;
  };
  const choice = (values, value) => {
    const select = make("select");
    fill(select, values.map((one) => (Array.isArray(one) ? one : [one, one])));
    select.value = value;
    return select;
  };
  const byHand = () => { at("ask-preset").value = "hand"; };
  const drawSteers = () => {
    at("ask-add").disabled = steers.length >= 4 || !Object.keys(desk.vectors).length;
    at("ask-steers").replaceChildren(...steers.map((steer, number) => {
      const line = make("div", undefined, "controls steer");
      const vectors = choice(Object.keys(desk.vectors), steer.vectors);
      const layer = choice(desk.vectors[steer.vectors].map(String), String(steer.layer));
      const slider = make("input");
      const most = inShares(steer) ? 1 : 4;
      Object.assign(slider, { type: "range", min: -most, max: most, step: inShares(steer) ? 0.02 : 0.1 });
      slider.value = sizeOf(steer);
      const size = make("input");
      Object.assign(size, { type: "number", step: "any", value: sizeOf(steer) });
      const named = { rotate: "radians", project_out: "of the component" }[steer.operator];
      const unit = choice(named ? [["x", named]] : [["x", "times the vector"], ["r", "of the residual norm"]], inShares(steer) ? "r" : "x");
      const operator = choice(["add", "add_keep_norm", "project_out", "set_projection", "rotate"], steer.operator);
      const positions = choice(["last", "text", "all"], steer.positions);
      const says = make("span", both(steer), "note");
      const away = make("button", "Remove");
      away.type = "button";
      const changed = (change, redraw) => {
        Object.assign(steer, change);
        byHand();
        if (redraw) {
          const { id } = document.activeElement;
          drawSteers();
          if (id && at(id)) at(id).focus();
        }
        says.textContent = both(steer);
        soon();
      };
      vectors.addEventListener("change", () => {
        const layers = desk.vectors[vectors.value];
        const near = layers.reduce((best, one) => (Math.abs(one - steer.layer) < Math.abs(best - steer.layer) ? one : best), layers[0]);
        changed({ vectors: vectors.value, layer: near }, true);
      });
      layer.addEventListener("change", () => changed({ layer: Number(layer.value) }));
      slider.addEventListener("input", () => { size.value = slider.value; changed({ strength: withUnit(Number(slider.value), inShares(steer)) }); });
      size.addEventListener("change", () => { slider.value = size.value; changed({ strength: withUnit(Number(size.value) || 0, inShares(steer)) }); });
      unit.addEventListener("change", () => {
        const scale = shareOf(steer) || 1;
        changed({ strength: withUnit(unit.value === "r" ? sizeOf(steer) * scale : sizeOf(steer) / scale, unit.value === "r") }, true);
      });
      operator.addEventListener("change", () => changed({ operator: operator.value, ...(SCALED.includes(operator.value) ? {} : { strength: sizeOf(steer) }) }, true));
      positions.addEventListener("change", () => changed({ positions: positions.value }));
      away.addEventListener("click", () => { steers.splice(number, 1); byHand(); drawSteers(); at("ask-add").focus(); soon(); });
      line.append(
        field(steer, number, "vectors", vectors, "Vector"), field(steer, number, "layer", layer, "after block"),
        field(steer, number, "slider", slider, "Strength"), field(steer, number, "size", size, ""), field(steer, number, "unit", unit, ""),
        field(steer, number, "operator", operator, "Operator"), field(steer, number, "positions", positions, "Positions"), says, away,
      );
      size.setAttribute("aria-label", "Strength, as a number");
      unit.setAttribute("aria-label", "Unit of the strength");
      return line;
    }));
  };
  hooks.clicked = (name, point) => {
    if (!desk || !["sweep", "layers"].includes(name) || !steers.length) return;
    const layer = Number(point.x);
    const swept = name === "sweep" ? at("sweep-method").value : "";
    const steer = swept ? steers.find((one) => one.vectors.split(".")[0] === swept) : steers[0];
    if (!steer || !desk.vectors[steer.vectors].includes(layer)) return;
    steer.layer = layer;
    if (name === "sweep") steer.strength = String(point.y).endsWith("r") ? String(point.y) : Number(point.y);
    byHand();
    drawSteers();
    soon();
  };

  // Asking: a newer question stops the older, and no answer of an older one is shown
  let waiting = 0;
  const soon = () => {
    if (!last) return;
    clearTimeout(waiting);
    waiting = setTimeout(ask, 80);
  };
  const ask = async () => {
    clearTimeout(waiting);
    if (running) running.abort();
    const own = new AbortController();
    running = own;
    const asked = request();
    at("ask-stop").disabled = false;
    tell("asking");
    try {
      const response = await fetched("ask", { method: "POST", body: JSON.stringify(asked), signal: own.signal });
      if (!response.ok) throw new Error(await response.text());
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      let begun = false;
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          if (running !== own) return;
          const event = JSON.parse(line);
          if (!begun && !["queued", "begun", "stopped", "error", "end"].includes(event.event)) {
            begun = true;
            last = asked;
            whole = false;
            shown = { free: {} };
            at("ask-charts").hidden = true;
          }
          take(event);
        }
      }
    } catch (error) {
      if (running !== own || error.name === "AbortError") return;
      tell(error instanceof TypeError ? gone : error.message, true);
    }
    if (running === own) {
      running = null;
      at("ask-stop").disabled = true;
    }
  };
  const take = (event) => {
    if (event.event === "queued") tell(event.ahead ? `${event.ahead} ${event.ahead === 1 ? "question is" : "questions are"} ahead` : "your question is next");
    else if (event.event === "begun") tell("answering");
    else if (event.event === "error") tell(event.message, true);
    else if (event.event === "lacking") shown.lacking = event.message;
    else if (event.event === "stopped") tell("stopped");
    else if (event.event === "end") {
      whole = true;
      tell(shown.lacking ? `answered; not shown: ${shown.lacking}` : "answered");
    }
    else if (event.event === "piece") {
      const side = shown.free[event.side] || { text: "" };
      side.text += event.text;
      if ("whole" in event) Object.assign(side, { whole: event.whole, ended: event.ended });
      shown.free[event.side] = side;
      drawAnswers();
    } else {
      shown[event.event] = event;
      if (event.event === "options") {
        if (item && last.item && item[1] === last.item[1]) {
          at("ask-question").value = event.question;
          at("ask-options").value = event.options.map((option) => option.text).join("\n");
        }
        drawAnswers();
      } else drawReadings();
    }
  };

  // Answers
  const drawAnswers = () => {
    const place = at("ask-answers");
    place.replaceChildren();
    const code = last.language;
    if (shown.options) {
      const sides = Object.keys(shown.options.sides);
      const table = make("table", undefined, "asked");
      const caption = make("caption", `Probability among the options (scored by: ${desk.normalisation}), and log-likelihood in nats; ▶ marks the chosen option`);
      table.append(caption, heads(["option", "role", ...sides]), make("tbody"));
      shown.options.options.forEach((option, number) => {
        const line = row(["", MARKED[option.role] || "", ...sides.map(() => "")]);
        line.cells[0].append(written("span", option.text, code));
        sides.forEach((side, column) => {
          const own = shown.options.sides[side];
          const cell = line.cells[2 + column];
          const bar = make("span", undefined, "bar");
          bar.style.width = `${(100 * own.share[number]).toFixed(1)}%`;
          cell.append(bar, make("span", `${own.chosen[number] ? "▶ " : ""}${own.share[number].toFixed(3)} (${own.logp[number].toFixed(2)})`));
          if (own.chosen[number]) cell.className = "taken";
        });
        table.tBodies[0].append(line);
      });
      const scroll = make("div", undefined, "scroll");
      scroll.tabIndex = 0;
      scroll.setAttribute("role", "region");
      scroll.setAttribute("aria-label", caption.textContent);
      scroll.append(table);
      place.append(scroll);
      if (shown.options.languages) {
        const told = Object.entries(shown.options.languages).map(([side, codes]) => `${side} ${codes.map(languageName).join(" or ")}`);
        place.append(make("p", `Language of the likeliest answer, when the options of every language compete: ${told.join("; ")}.`, "note"));
      }
    }
    const free = Object.entries(shown.free);
    if (free.length) {
      const list = make("dl", undefined, "free");
      for (const [side, { text, whole, ended }] of free) {
        const said = written("dd", whole === undefined ? text : whole, code);
        if (whole === "") said.textContent = "(nothing)";
        if (ended === false) said.append(make("span", " … cut off", "note"));
        list.append(make("dt", side), said);
      }
      place.append(list);
    }
  };
  const MARKED = { right: "right", local: "local", reference: "US" };
  const PALETTE = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
  const SYMBOLS = ["square", "circle", "triangle-up", "diamond", "cross", "star"];
  const drawReadings = () => {
    at("ask-charts").hidden = false;
    if (shown.lens) {
      const options = shown.options.options;
      const panels = Object.entries(shown.lens.prompts).flatMap(([name, sides]) => Object.entries(sides).map(([side, layers]) => ({
        title: `${name}, ${side}`,
        curves: options.map((option, number) => ({
          name: `${option.text}${MARKED[option.role] ? ` (${MARKED[option.role]})` : ""}`, color: PALETTE[number % 6], symbol: SYMBOLS[number % 6], column: "logit",
          rows: layers.map((row, place) => ({ layer: place - 1, logit: row[number] })),
        })),
      })));
      curves("ask-lens", panels, 120 + 210 * panels.length);
      const leads = Object.entries(shown.lens.prompts).flatMap(([name, sides]) => Object.entries(sides).map(([side, layers]) => {
        const leaders = (row) => row.flatMap((value, number) => (value === Math.max(...row) ? [number] : []));
        const best = leaders(layers[layers.length - 1]);
        const from = layers.findLastIndex((row) => leaders(row).join() !== best.join());
        const texts = best.map((number) => options[number].text);
        return `${name}, ${side}: ${texts.length > 1 ? `${texts.join(" and ")}, which begin alike, lead` : `${texts[0]} leads`} from layer ${from} on`;
      }));
      say("ask-lens", leads.join("; "), `${leads.join("; ")}. Logit of every option's first token (logit lens); -1 is the embedding.`);
    }
    at("chart-ask-lens").parentElement.hidden = !shown.lens;
    if (shown.projections) {
      const names = { en: "EN", loc: "LOC" };
      const sides = Object.entries(shown.projections.sides);
      const kinds = Object.keys(sides[0][1]);
      at("chart-ask-places").parentElement.hidden = !kinds.length;
      if (kinds.length) curves("ask-places", kinds.map((kind) => ({
        title: names[kind] || kind,
        curves: sides.map(([side, places], number) => ({
          name: side, color: number ? "#D55E00" : "#000000", symbol: number ? "square" : "circle", column: "place", signed: true,
          rows: places[kind].map((value, layer) => ({ layer, place: value })),
        })),
      })), 460);
    }
    at("ask-heads").replaceChildren();
    if (shown.attention) {
      at("ask-heads").append(make("h3", "What the heads that carry the cue look at, from the last token (unsteered). The stronger the underline, the more attention; the first token, which always gets much, is not marked"));
      for (const { layer, head, words, weights } of shown.attention.heads) {
        const line = make("p", `Block ${layer}, head ${head}: `, "attention");
        line.lang = last.language;
        const most = Math.max(...weights.slice(1), 1e-9); // the first token is a sink
        words.forEach((word, number) => {
          const mark = make("span", word === "\n" ? "⏎" : word);
          mark.title = weights[number].toFixed(3);
          if (number) mark.style.borderBottomColor = alpha("#e69f00", Math.min(1, weights[number] / most));
          line.append(mark);
        });
        at("ask-heads").append(line);
      }
    }
  };

  // What is taken away: plan, Python, link, notes
  const code = (text) => {
    at("ask-code").hidden = false;
    at("ask-code").textContent = text;
    if (navigator.clipboard) navigator.clipboard.writeText(text).catch(() => {});
  };
  const exported = async (pick, asked, lacking) => {
    try {
      const response = await fetched("plan", { method: "POST", body: JSON.stringify(asked()) });
      if (!response.ok) throw new Error(await response.text());
      const told = pick(await response.json());
      code(told === null ? lacking : told);
    } catch (error) {
      tell(error instanceof TypeError ? gone : error.message, true);
    }
  };
  at("ask-plan").addEventListener("click", () => exported(({ plan }) => (plan ? JSON.stringify(plan, null, 2) : null), () => ({ language: at("ask-language").value, steers, answer: "free", question: "-" }), "A plan.json names files of a run; open one with `interp open RUN`."));
  at("ask-python").addEventListener("click", () => exported(({ python }) => python, request));
  at("ask-link").addEventListener("click", () => {
    const told = new URLSearchParams(location.hash.slice(1));
    told.set("ask", JSON.stringify(request()));
    history.replaceState(null, "", `#${told}`);
    code(location.href);
  });
  const answerLines = () => [
    ...(shown.options ? Object.entries(shown.options.sides).map(([side, own]) => {
      const best = shown.options.options.filter((_, number) => own.chosen[number]).map((option) => option.text);
      return `${side}: ${best.join(" | ")} (${own.share.map((value, number) => `${shown.options.options[number].text} ${value.toFixed(3)}`).join(", ")})`;
    }) : []),
    ...Object.entries(shown.free || {}).map(([side, said]) => `${side}: ${said.whole}${said.ended ? "" : " … cut off"}`),
  ];
  const showNotes = (notes) => {
    at("ask-noted").hidden = !notes.length;
    at("ask-noted").firstElementChild.textContent = `Notes (${notes.length})`;
    at("ask-noted").lastElementChild.replaceChildren(...notes.map(({ ask: asked, answer }) => {
      const line = make("li");
      const again = make("button", "Ask again");
      again.type = "button";
      again.addEventListener("click", () => { if (restore(asked)) ask(); });
      line.append(written("span", asked.question || (asked.item || []).join(" "), asked.language), make("span", ` (${languageName(asked.language)}) `, "note"), again);
      for (const text of answer) line.append(make("div", text));
      return line;
    }));
  };
  at("ask-note").addEventListener("click", async () => {
    if (!last || running || !whole) {
      tell("Ask first: a note is a question with its answers.", true);
      return;
    }
    try {
      const response = await fetched("notes", { method: "POST", body: JSON.stringify({ ask: last, answer: answerLines() }) });
      if (!response.ok) throw new Error(await response.text());
      showNotes(await response.json());
      tell("noted");
    } catch (error) {
      tell(error instanceof TypeError ? gone : error.message, true);
    }
  });

  at("ask-form").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  at("ask-stop").addEventListener("click", () => { fetched("stop", { method: "POST" }).catch(() => tell(gone, true)); });
  at("ask-clear").addEventListener("click", () => { item = null; showItem(); at("ask-question").focus(); });
  at("ask-preset").addEventListener("change", (event) => { preset(event.target.value); soon(); });
  at("ask-language").addEventListener("change", () => { preset(at("ask-preset").value); showItem(); });
  for (const id of ["ask-cue", "ask-answer"]) at(id).addEventListener("change", showItem);
  at("ask-add").addEventListener("click", () => {
    const code = at("ask-language").value;
    const name = [`en.${code}`, `loc.${code}`, ...Object.keys(desk.vectors)].filter((one) => one in desk.vectors).find((one) => !steers.some((steer) => steer.vectors === one));
    const layers = desk.vectors[name];
    steers.push({ vectors: name, layer: layers[Math.floor(layers.length / 2)], strength: 1, operator: "add", positions: desk.positions });
    byHand();
    drawSteers();
    soon();
  });
  chart("ask-lens", () => { if (shown.lens) drawReadings(); });

  // From the server's start to the first question
  const begin = async () => {
    for (;;) {
      try {
        const response = await fetched("state");
        if (!response.ok) throw new Error(await response.text());
        const told = await response.json();
        if (told.failed) throw new Error(told.failed);
        if (told.ready) break;
        tell(`${told.says}`);
      } catch (error) {
        tell(error instanceof TypeError ? gone : error.message, true);
        at("ask-loading").hidden = true;
        return;
      }
      await new Promise((resolve) => { setTimeout(resolve, 300); });
    }
    desk = await (await fetched("desk")).json();
    fill(at("ask-language"), desk.languages.map((one) => [one, languageName(one)]));
    fill(at("ask-preset"), [["off", "off"], ...Object.keys(desk.chosen).map((name) => [name, name.replaceAll("_", " ")]), ["hand", "by hand"]]);
    at("ask-preset").value = "surgical" in desk.chosen ? "surgical" : "off";
    at("ask-note").hidden = at("ask-plan").hidden = !desk.notes;
    at("ask-loading").hidden = true;
    at("ask-fields").disabled = false;
    preset(at("ask-preset").value);
    showItem();
    tell(`${desk.model} is ready. Type a question${at("items-table") ? ', or open an item below and choose "Ask the model"' : ""}.`);
    if (linked) follow(linked);
    else if (pending) hooks.ask(pending);
    if (desk.notes) {
      const response = await fetched("notes");
      if (response.ok) showNotes(await response.json());
      else tell(await response.text(), true);
    }
  };
  const inAddress = () => new URLSearchParams(location.hash.slice(1)).get("ask");
  const linked = inAddress();
  const follow = (text) => {
    try {
      if (restore(JSON.parse(text))) ask();
    } catch {
      tell("The link can't be read.", true);
    }
  };
  addEventListener("hashchange", () => {
    if (desk && inAddress()) follow(inAddress());
  });
  begin();
}
