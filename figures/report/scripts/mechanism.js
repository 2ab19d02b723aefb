
// Which blocks and heads answer: direct contributions, and heads that carry the cue
const CONTRASTS = { "right - wrong": "right answer's lead", "local - reference": "local answer's lead over the US answer" };
const attributed = () => {
  const found = data.attribution.filter((values) => values.language === state.lang);
  const first = data.attribution.length ? data.attribution[0].language : "";
  return found.length ? [state.lang, found] : [first, data.attribution.filter((values) => values.language === first)];
};
const interval = (values) =>
  share(values.estimate, true) + (values.lo == null ? "" : ` [${share(values.lo, true)}, ${share(values.hi, true)}]`);
const clear = (values) => values.lo != null && (values.lo > 0 || values.hi < 0);
chart("attribution", () => {
  const [code, all] = attributed();
  const direct = all.filter((values) => values.kind === "direct" && values.head === null && values.layer >= 0);
  const kinds = distinct(direct, "contrast");
  const gap = 0.14;
  const tall = kinds.length ? (1 - gap * (kinds.length - 1)) / kinds.length : 1;
  const layout = {
    ...frame(), annotations: [], barmode: "group", height: 130 + 220 * kinds.length, margin: { l: 62, r: 18, t: 36, b: 52 },
    xaxis: axis("block", { anchor: "free", position: 0, zeroline: false, dtick: 1 }),
  };
  const traces = [];
  kinds.forEach((contrastName, place) => {
    const which = place ? `y${place + 1}` : "y";
    const top = 1 - place * (tall + gap);
    layout[place ? `yaxis${place + 1}` : "yaxis"] = axis("logits", { domain: [Math.max(0, top - tall), top], anchor: "x", nticks: 5 });
    layout.annotations.push(heading(`contribution to the ${CONTRASTS[contrastName] || contrastName}`, { x: 0, y: top }));
    [["attention", "#0072B2"], ["mlp", "#D55E00"]].forEach(([component, original]) => {
      const rows = direct.filter((values) => values.contrast === contrastName && values.component === component);
      if (!rows.length) return;
      const color = ink(original);
      traces.push({
        type: "bar", name: component === "mlp" ? "MLP" : component, legendgroup: component, showlegend: !place, yaxis: which,
        x: rows.map((values) => values.layer), y: rows.map((values) => values.estimate),
        marker: { color: rows.map((values) => alpha(color, clear(values) ? 0.9 : 0.35)), line: { color, width: 1 } },
        error_y: bar(rows.map((values) => ({ e: values.estimate, e_lo: values.lo, e_hi: values.hi })), "e", colour("muted"), { thickness: 1 }),
        customdata: rows.map((values) => `${interval(values)}, control ${share(values.control, true)}`),
        hovertemplate: `${component} of block %{x}: %{customdata}<extra></extra>`,
      });
      traces.push({
        type: "scatter", mode: "markers", name: "control", legendgroup: "control", showlegend: !place && component === "mlp", yaxis: which,
        x: rows.map((values) => values.layer + (component === "mlp" ? 0.2 : -0.2)), y: rows.map((values) => values.control),
        marker: { symbol: "line-ew-open", color: colour("text"), size: 10, line: { width: 2 } }, hoverinfo: "skip",
      });
    });
  });
  layout.legend = { ...layout.legend, y: -0.14 };
  draw("attribution", traces, layout);
  const largest = kinds.map((name) => {
    const rows = direct.filter((values) => values.contrast === name && values.estimate != null).sort((a, b) => Math.abs(b.estimate) - Math.abs(a.estimate));
    if (!rows.length) return "";
    return `the ${rows[0].component === "mlp" ? "MLP" : rows[0].component} of block ${rows[0].layer} contributes most to the ${CONTRASTS[name] || name}, ${interval(rows[0])} (control ${share(rows[0].control, true)})`;
  }).filter(Boolean);
  say("attribution", `Direct contributions in logits, ${languageName(code)}: ${largest.join("; ")}. Pale where the interval holds 0.`);
});
chart("heads", () => {
  const [code, all] = attributed();
  const rows = all.filter((values) => values.kind === "cue" && values.component === "head");
  const layers = distinct(rows, "layer").sort((a, b) => a - b);
  const numbers = distinct(rows, "head").sort((a, b) => a - b);
  const find = (layer, head) => rows.find((values) => values.layer === layer && values.head === head);
  const reach = Math.max(0.01, ...rows.map((values) => Math.abs(values.estimate ?? 0)));
  const middle = dark() ? "#12171c" : "#ffffff";
  draw("heads", [{
    type: "heatmap", x: layers, y: numbers, xgap: 2, ygap: 2, zmin: -reach, zmax: reach,
    colorscale: [[0, "#d55e00"], [0.5, middle], [1, dark() ? "#56b4e9" : "#0072b2"]],
    z: numbers.map((head) => layers.map((layer) => find(layer, head)?.estimate ?? null)),
    customdata: numbers.map((head) => layers.map((layer) => {
      const values = find(layer, head);
      return values ? `${interval(values)}, control ${share(values.control, true)}` : "not measured";
    })),
    colorbar: { thickness: 12, outlinewidth: 0, title: { text: "logits", side: "right" } },
    hovertemplate: "block %{x}, head %{y}: %{customdata}<extra></extra>",
  }], {
    ...frame(), height: 150 + 34 * numbers.length, xaxis: axis("block", { showgrid: false, zeroline: false, dtick: 1 }),
    yaxis: axis("head", { showgrid: false, zeroline: false, dtick: 1, autorange: "reversed" }),
  });
  const [best] = rows.filter((values) => values.estimate != null).sort((a, b) => b.estimate - a.estimate);
  if (best) {
    say("heads", `What each head's cue carries of the local answer's lead, ${languageName(code)}: most in head ${best.head} of block ${best.layer}, ${interval(best)} logits (control ${share(best.control, true)}).`);
  } else {
    say("heads", `The cue was not traced in ${languageName(code)}.`);
  }
});
