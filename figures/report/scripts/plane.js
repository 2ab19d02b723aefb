
// The plane: changes from base, paired by item, or levels
let listening = false;
const drawPlane = () => {
  const levels = at("plane-levels").checked;
  const [x, y] = levels ? ["transfer", "localization"] : ["d_transfer", "d_localization"];
  const rows = data.plane.filter((values) => values.language === state.lang && values[x] != null && values[y] != null);
  const shown = rows.filter((values) =>
    (levels || values.method !== "base") && (at("plane-controls").checked || !look(values.method).control || values.method === state.method));
  const error = (values, name, color) => bar([values], name, color, { thickness: 1 });
  const traces = shown.map((values) => {
    const looks = look(values.method);
    const color = ink(looks.color);
    const chosen = values.method === state.method;
    return {
      type: "scatter", mode: "markers", name: looks.label, x: [values[x]], y: [values[y]], customdata: [values.method],
      marker: {
        color, symbol: looks.symbol, size: chosen ? 17 : looks.control ? 9 : 13,
        line: { color: looks.control ? color : colour("text"), width: looks.control ? 1.5 : chosen ? 2 : 0.5 },
      },
      error_x: error(values, x, alpha(color, looks.control ? 0.4 : 0.8)),
      error_y: error(values, y, alpha(color, looks.control ? 0.4 : 0.8)),
      hovertemplate:
        `<b>${escapeHtml(looks.label)}</b><br>${escapeHtml(languageName(values.language))}<br>transfer ${estimate(values, "transfer")}` +
        `, change ${estimate(values, "d_transfer", true)}, n ${values.n_universal}<br>localization ${estimate(values, "localization")}` +
        `, change ${estimate(values, "d_localization", true)}, n ${values.n_cultural}<extra></extra>`,
    };
  });
  const base = rows.find((values) => values.method === "base");
  const arrows = levels && base ? shown.filter((values) => values.method !== "base" && !look(values.method).control).map((values) => ({
    x: values.transfer, y: values.localization, ax: base.transfer, ay: base.localization, xref: "x", yref: "y", axref: "x", ayref: "y",
    text: "", showarrow: true, arrowhead: 2, arrowsize: 0.9, arrowwidth: 1.4, standoff: 8, startstandoff: 6,
    arrowcolor: ink(look(values.method).color), opacity: 0.75,
  })) : [];
  const told = shown.filter((values) => !look(values.method).control).map((values) =>
    `${label(values.method)} ${estimate(values, x, !levels)} and ${estimate(values, y, !levels)}`);
  const what = levels ? "Transfer and localization" : "Changes of transfer and localization from base, paired by question";
  say("plane", `${what}, ${languageName(state.lang)}: ${told.join("; ")}.`, `${what}, ${languageName(state.lang)}, with 95% intervals. Click a method to follow it below.`);
  const small = narrow("plane", 560);
  draw("plane", traces, {
    ...frame(), annotations: arrows, height: small ? 600 : 540, clickmode: "event",
    xaxis: axis(levels ? "transfer" : "change of transfer", { zeroline: !levels }),
    yaxis: axis(levels ? "localization" : "change of localization", { zeroline: !levels }),
    margin: small ? { l: 52, r: 10, t: 16, b: 52 } : frame().margin,
  });
  if (!listening) {
    listening = true;
    at("chart-plane").on("plotly_click", (event) => {
      const method = event.points[0].customdata;
      if (methods.includes(method)) choose({ method });
    });
  }
};

// The chosen method's change in every language
const drawForest = () => {
  const rows = data.plane.filter((values) => values.method === state.method);
  const order = [...rows.filter((values) => values.language === "macro"), ...rows.filter((values) => values.language !== "macro").reverse()];
  const color = ink(look(state.method).color);
  const small = narrow("forest", 560);
  const sides = ["d_transfer", "d_localization"];
  const traces = sides.map((name, place) => {
    const told = order.filter((values) => values[name] != null);
    return {
      type: "scatter", mode: "markers", x: told.map((values) => values[name]), y: told.map((values) => languageName(values.language)),
      xaxis: place ? "x2" : "x", yaxis: place ? "y2" : "y", showlegend: false, customdata: told.map((values) => values.language),
      error_x: bar(told, name, color),
      marker: {
        color: told.map((values) => (values[`${name}_lo`] != null && (values[`${name}_lo`] > 0 || values[`${name}_hi`] < 0) ? color : colour("ground"))),
        symbol: told.map((values) => (values.language === "macro" ? "diamond" : "circle")),
        size: told.map((values) => (values.language === state.lang ? 14 : 10)), line: { color, width: 1.5 },
      },
      text: told.map((values) => estimate(values, name, true)), hovertemplate: "%{y}: %{text}<extra></extra>",
    };
  });
  const titles = ["change of transfer", "change of localization"].map((text, place) =>
    heading(text, { x: small || !place ? 0 : 0.54, y: small && place ? 0.44 : 1.01 }));
  const names = { type: "category", showgrid: false, categoryorder: "array", categoryarray: order.map((values) => languageName(values.language)) };
  draw("forest", traces, {
    ...frame(), annotations: titles, height: (small ? 2 : 1) * (120 + 30 * order.length), margin: { l: 62, r: 18, t: 36, b: 44 },
    xaxis: axis("", { domain: small ? [0, 1] : [0, 0.46], anchor: "y" }), xaxis2: axis("", { domain: small ? [0, 1] : [0.54, 1], anchor: "y2" }),
    yaxis: axis("", { ...names, domain: small ? [0.56, 1] : [0, 1], anchor: "x" }),
    yaxis2: axis("", { ...names, domain: small ? [0, 0.42] : [0, 1], anchor: "x2", showticklabels: small }),
  });
  const told = order.map((values) => `${languageName(values.language)} ${estimate(values, "d_transfer", true)} and ${estimate(values, "d_localization", true)}`);
  const what = `${label(state.method)}, changes of transfer and localization from base`;
  say("forest", `${what}: ${told.reverse().join("; ")}.`, `${what}, with 95% intervals. Filled where the interval lies on one side of 0.`);
};

const showChosen = () => {
  const place = at("chosen");
  place.replaceChildren();
  const steers = data.chosen[state.method];
  if (!steers) return;
  place.append(make("h3", `${label(state.method)}: layers and strengths, chosen on dev`));
  const table = make("table");
  table.append(heads(["language", "vector", "after block", "strength"]), make("tbody"));
  for (const [code, own] of Object.entries(steers)) {
    for (const [vector, layer, strength] of own) {
      const line = row([languageName(code), label(vector), String(layer), strengthOf(strength)]);
      if (code === state.lang) line.className = "chosen";
      table.tBodies[0].append(line);
    }
  }
  const scroll = make("div", undefined, "scroll");
  scroll.append(table);
  place.append(scroll);
};
for (const id of ["plane-levels", "plane-controls"]) at(id).addEventListener("change", drawPlane);
followers.push(showChosen);
chart("plane", drawPlane);
if (methods.length) chart("forest", drawForest);

// Every draw of the random and shuffled controls, on both axes, beside the chosen method
const drawControls = () => {
  const sides = ["transfer", "localization"];
  const kinds = distinct(data.controls, "control");
  const own = data.plane.find((values) => values.method === state.method && values.language === state.lang);
  const small = narrow("controls", 560);
  const traces = [];
  sides.forEach((metric, place) => {
    const axes = { xaxis: place ? "x2" : "x", yaxis: place ? "y2" : "y" };
    kinds.forEach((kind, number) => {
      const draws = data.controls.filter((values) => values.control === kind && values.metric === metric && values.language === state.lang);
      traces.push({
        type: "scatter", mode: "markers", name: label(kind), legendgroup: kind, showlegend: !place, ...axes,
        x: draws.map((values) => values.difference), y: draws.map((values) => number + ((values.draw % 5) - 2) * 0.12),
        marker: { color: colour("muted"), symbol: look(kind).symbol, size: 9, line: { color: colour("muted"), width: 1.5 } },
        customdata: draws.map((values) => values.draw), hovertemplate: `${escapeHtml(label(kind))} %{customdata}: %{x:+.3f}<extra></extra>`,
      });
    });
    if (!own || own[`d_${metric}`] == null) return;
    const color = ink(look(state.method).color);
    traces.push({
      type: "scatter", mode: "markers", name: label(state.method), legendgroup: "method", showlegend: !place, ...axes,
      x: [own[`d_${metric}`]], y: [kinds.length], marker: { color, symbol: look(state.method).symbol, size: 13 },
      error_x: bar([own], `d_${metric}`, color),
      hovertemplate: `${escapeHtml(label(state.method))} ${estimate(own, `d_${metric}`, true)}<extra></extra>`,
    });
  });
  const ticks = { tickvals: [...kinds.keys(), kinds.length], ticktext: [...kinds.map(label), label(state.method)], range: [-0.6, kinds.length + 0.6], showgrid: false, zeroline: false };
  draw("controls", traces, {
    ...frame(), height: small ? 520 : 320, showlegend: false, margin: { l: 62, r: 18, t: 36, b: 44 },
    annotations: sides.map((text, place) => heading(`change of ${text}`, { x: small || !place ? 0 : 0.54, y: small && place ? 0.44 : 1.01 })),
    xaxis: axis("", { domain: small ? [0, 1] : [0, 0.46], anchor: "y" }), xaxis2: axis("", { domain: small ? [0, 1] : [0.54, 1], anchor: "y2" }),
    yaxis: axis("", { ...ticks, domain: small ? [0.56, 1] : [0, 1], anchor: "x" }),
    yaxis2: axis("", { ...ticks, domain: small ? [0, 0.42] : [0, 1], anchor: "x2", showticklabels: small }),
  });
  const told = sides.filter((metric) => own && own[`d_${metric}`] != null).map((metric) => {
    const draws = data.controls.filter((values) => values.metric === metric && values.language === state.lang && values.difference != null);
    const below = draws.filter((values) => values.difference < own[`d_${metric}`]).length;
    return `in ${metric} ${label(state.method)} (${share(own[`d_${metric}`], true)}) lies above ${below} of ${draws.length} draws`;
  });
  say("controls", `Changes from base of every control draw, ${languageName(state.lang)}: ${told.join("; ")}.`);
};
chart("controls", drawControls);
