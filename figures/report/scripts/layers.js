
// Layers and strengths
const sweepMethod = () => {
  const swept = distinct(data.sweep, "method");
  const steers = Object.values(data.chosen[state.method] || {}).flat().map(([vector]) => vector);
  return [state.method, ...steers].find((name) => swept.includes(name)) || swept[0];
};
const drawSweep = () => {
  const method = at("sweep-method").value;
  const rows = data.sweep.filter((values) => values.language === state.lang && values.method === method);
  const layers = distinct(rows, "layer").sort((a, b) => a - b);
  const ofNorm = (strength) => Number(String(strength).endsWith("r")); // of the residual norm, such as 0.1r
  const strengths = distinct(rows, "strength").sort((a, b) => ofNorm(a) - ofNorm(b) || parseFloat(a) - parseFloat(b));
  const find = (layer, strength) => rows.find((values) => values.layer === layer && values.strength === strength);
  const reach = Math.max(0.01, ...data.sweep.filter((values) => values.language === state.lang)
    .flatMap((values) => [values.d_transfer, values.d_localization]).filter((value) => value !== null).map(Math.abs));
  const middle = dark() ? "#12171c" : "#ffffff";
  const scale = [[0, dark() ? "#f5a06a" : "#8a3500"], [0.25, "#d55e00"], [0.5, middle], [0.75, "#0072b2"], [1, dark() ? "#7cc4f5" : "#08223d"]];
  const small = narrow("sweep", 700);
  const traces = ["d_transfer", "d_localization"].map((name, place) => ({
    type: "heatmap", x: layers, y: strengths.map(String), xaxis: place ? "x2" : "x", yaxis: place ? "y2" : "y", xgap: 2, ygap: 2,
    z: strengths.map((strength) => layers.map((layer) => find(layer, strength)?.[name] ?? null)),
    customdata: strengths.map((strength) => layers.map((layer) => {
      const values = find(layer, strength);
      if (!values) return "not measured";
      return `${estimate(values, name, true)}${values.chosen ? `<br>chosen${values.language === "macro" ? ` in ${values.chosen} languages` : ""}` : ""}`;
    })),
    zmin: -reach, zmax: reach, colorscale: scale, showscale: place === 0,
    colorbar: { thickness: 12, len: small ? 0.45 : 1, y: small ? 0.78 : 0.5, outlinewidth: 0, tickformat: "+.2f", title: { text: "change", side: "right" } },
    hovertemplate: `layer %{x}, strength %{y}<br>${name.slice(2)} %{customdata}<extra></extra>`,
  }));
  const marks = strengths.flatMap((strength, y) => layers.filter((layer) => find(layer, strength)?.chosen > 0).flatMap((layer) =>
    ["", "2"].map((which) => ({
      type: "rect", xref: `x${which}`, yref: `y${which}`, x0: layer - 0.46, x1: layer + 0.46, y0: y - 0.46, y1: y + 0.46,
      line: { color: colour("text"), width: 2 },
    }))));
  const integer = { dtick: layers.length > 16 ? undefined : 1, showgrid: false, zeroline: false };
  const titles = ["transfer", "localization"].map((text, place) =>
    heading(`${label(method)}: ${text}`, { x: small || !place ? 0 : 0.54, y: small && place ? 0.43 : 1.01 }));
  draw("sweep", traces, {
    ...frame(), shapes: marks, annotations: titles, height: small ? 640 : 400, margin: { l: 62, r: 18, t: 36, b: 52 },
    xaxis: axis("layer", { domain: small ? [0, 1] : [0, 0.46], ...integer, anchor: "y" }),
    xaxis2: axis("layer", { domain: small ? [0, 1] : [0.54, 1], ...integer, anchor: "y2" }),
    yaxis: axis("strength", { type: "category", domain: small ? [0.57, 1] : [0, 1], anchor: "x" }),
    yaxis2: axis(small ? "strength" : "", { type: "category", domain: small ? [0, 0.42] : [0, 1], anchor: "x2" }),
  });
};
if (at("sweep-method")) {
  fill(at("sweep-method"), distinct(data.sweep, "method").map((method) => [method, label(method)]));
  at("sweep-method").addEventListener("change", drawSweep);
  followers.unshift(() => { at("sweep-method").value = sweepMethod(); });
  chart("sweep", drawSweep);
}

// Layer by layer
const byLayer = (rows) => rows.filter((values) => values.language === state.lang).sort((a, b) => a.layer - b.layer);
chart("layers", () => {
  const rows = byLayer(data.layers.rows);
  const panels = data.layers.panels.map(([title, drawn]) => ({
    title,
    curves: drawn.filter(([column]) => rows.some((values) => values[column] !== null)).map(([column, name, color, symbol]) =>
      ({ name, color, symbol, rows, column, signed: column.startsWith("d_") })),
  })).filter((panel) => panel.curves.length);
  curves("layers", panels, 820);
});

// Which answer the logit lens puts first
chart("lens", () => {
  const rows = byLayer(data.lens);
  const panels = [["none", "without a cue"], ["explicit", "with the cue"]].map(([cue, title]) => ({
    title: `${title}: leads in this share`,
    curves: [["local", "local answer", "#D55E00", "square"], ["us", "US answer", "#0072B2", "triangle-up"]].map(
      ([column, name, color, symbol]) => ({ name, color, symbol, column, rows: rows.filter((values) => values.cue === cue) })),
  })).filter((panel) => panel.curves[0].rows.length);
  curves("lens", panels, 560);
});

// The angle between EN and LOC, and what chance gives
chart("geometry", () => {
  const ofLanguages = data.directions.filter((values) => values.language !== "macro" && values.cosine != null);
  const layers = distinct(ofLanguages, "layer").sort((a, b) => a - b);
  const mean = (rows, name) => rows.reduce((sum, values) => sum + values[name], 0) / rows.length;
  const means = layers.map((layer) => {
    const rows = ofLanguages.filter((values) => values.layer === layer);
    return Object.fromEntries([["layer", layer], ...["cosine", "cosine_null_lo", "cosine_null_hi"].map((name) => [name, mean(rows, name)])]);
  });
  const own = byLayer(ofLanguages);
  const thin = distinct(ofLanguages, "language").map((code) => ({
    name: languageName(code), color: "#767676", thin: true, column: "shown",
    rows: ofLanguages.filter((values) => values.language === code).map((values) => ({ layer: values.layer, shown: values.cosine })),
  }));
  const main = { name: languageName(own.length ? state.lang : "macro"), color: "#000000", symbol: "circle", column: "cosine", rows: own.length ? own : means };
  curves("geometry", [{ title: "cosine of EN and LOC", curves: own.length ? [main] : [...thin, main] }], 380);
});
