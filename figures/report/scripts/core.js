"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const hooks = {}; // what the panel that asks the model wants to know of
const root = document.documentElement;
const at = (id) => document.getElementById(id);
const make = (tag, text, kind) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
};
const row = (cells) => {
  const line = make("tr");
  cells.forEach((text, place) => {
    const cell = make(place ? "td" : "th", text);
    if (!place) cell.scope = "row";
    line.append(cell);
  });
  return line;
};
const heads = (names) => {
  const head = make("thead");
  const line = make("tr");
  for (const name of names) {
    const cell = make("th", name);
    cell.scope = "col";
    line.append(cell);
  }
  head.append(line);
  return head;
};

// Colours, which follow the theme
const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
const dark = () => {
  const asked = root.dataset.theme;
  return asked ? asked === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
const hex = (color) => (/^#[0-9a-f]{6}$/i.test(color) ? color : "#888888");
const channels = (color) => [1, 3, 5].map((place) => parseInt(hex(color).slice(place, place + 2), 16));
const alpha = (color, share) => `rgba(${channels(color).join(",")},${share})`;
const luminance = (color) => {
  const [r, g, b] = channels(color).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const ink = (color) => {
  if (color === "#000000") return colour("text");
  if (color === "#767676") return colour("muted");
  const [toward, ground] = [dark() ? 255 : 0, colour("ground")];
  for (let share = 0; share < 1; share += 0.1) { // as near to the method's colour as 3:1 against the ground allows
    const mixed = `#${channels(color).map((c) => Math.round(c + (toward - c) * share).toString(16).padStart(2, "0")).join("")}`;
    if (contrast(mixed, ground) >= 3) return mixed;
  }
  return colour("text");
};

// Numbers and names
const share = (value, signed) =>
  value === null || value === undefined ? "not measured" : (signed && value >= 0 ? "+" : "") + value.toFixed(3);
const estimate = (values, name, signed) =>
  share(values[name], signed) +
  (values[`${name}_lo`] == null ? "" : ` [${share(values[`${name}_lo`], signed)}, ${share(values[`${name}_hi`], signed)}]`);
const escapeHtml = (text) => String(text).replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
const bar = (rows, name, color, more) => ({ // 95% intervals as error bars; none where there is no interval
  type: "data", symmetric: false, color, thickness: 1.5, width: 0, ...more,
  array: rows.map((values) => (values[`${name}_hi`] == null ? null : values[`${name}_hi`] - values[name])),
  arrayminus: rows.map((values) => (values[`${name}_lo`] == null ? null : values[name] - values[`${name}_lo`])),
});
const distinct = (rows, name) => [...new Set(rows.map((values) => values[name]))];
const languageName = (code) => {
  if (code === "macro") return "mean over languages";
  try {
    const name = new Intl.DisplayNames(["en"], { type: "language" }).of(code);
    return name && name !== code ? `${name} (${code})` : code;
  } catch {
    return code;
  }
};
const rightToLeft = new Set(["ar", "fa", "he", "ur", "ps", "sd", "ug", "yi", "ckb"]);
const written = (tag, text, code, kind) => {
  const cell = make(tag, text, kind);
  cell.lang = code;
  cell.dir = rightToLeft.has(code) ? "rtl" : "auto";
  return cell;
};
const fill = (select, values) => {
  for (const [value, text] of values) {
    const option = make("option", text);
    option.value = value;
    select.append(option);
  }
};

// Charts: drawn when they are first seen, and again when something they show changes
const drawers = [];
const chart = (name, render) => {
  const place = at(`chart-${name}`);
  if (!place) return;
  const drawer = { name, place, render, seen: false };
  drawers.push(drawer);
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    drawer.seen = true;
    drawer.render();
  }, { rootMargin: "300px" }).observe(place);
};
const again = () => drawers.filter((drawer) => drawer.seen).forEach((drawer) => drawer.render());
const say = (name, words, caption) => {
  const place = at(`chart-${name}`);
  if (!place || !words) return;
  place.setAttribute("aria-label", words);
  place.parentElement.querySelector("figcaption").textContent = caption || words;
};
const frame = () => ({
  paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
  font: { family: "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif", size: 13, color: colour("text") },
  margin: { l: 62, r: 18, t: 24, b: 52 }, hovermode: "closest",
  hoverlabel: { bgcolor: colour("raised"), bordercolor: colour("muted"), font: { color: colour("text") }, align: "left" },
  legend: { orientation: "h", y: -0.16, yanchor: "top", font: { size: 12 } },
});
const axis = (title, more) => ({
  title: { text: title, standoff: 8 }, gridcolor: colour("line"), zerolinecolor: colour("muted"), linecolor: colour("line"),
  ticks: "outside", tickcolor: colour("line"), automargin: true, ...more,
});
const options = {
  responsive: true, displaylogo: false, showSendToCloud: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], toImageButtonOptions: { format: "svg" },
};
const draw = (name, traces, layout) => {
  const place = at(`chart-${name}`);
  place.style.height = `${layout.height}px`;
  Plotly.react(place, traces, layout, options);
  if (hooks.clicked && !place.dataset.heard) {
    place.dataset.heard = "yes";
    place.on("plotly_click", (event) => hooks.clicked(name, event.points[0]));
  }
};
const narrow = (name, width) => at(`chart-${name}`).clientWidth < width;
const heading = (text, more) => ({ text: `<b>${escapeHtml(text)}</b>`, showarrow: false, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", ...more });

// Curves over layers in stacked panels: [{title, curves: [{name, color, symbol, dash, rows, column, signed, control}]}]
const curves = (name, panels, height) => {
  const layers = [...new Set(panels.flatMap((panel) => panel.curves.flatMap((curve) => distinct(curve.rows, "layer"))))];
  const layout = {
    ...frame(), annotations: [], height: height + (narrow(name, 560) ? 120 : 0), margin: { l: 52, r: 18, t: 36, b: 52 }, hovermode: "x",
    xaxis: axis("layer", { anchor: "free", position: 0, zeroline: false, dtick: layers.length > 24 ? undefined : 1 }),
  };
  const gap = panels.length > 1 ? 0.07 : 0;
  const tall = (1 - gap * (panels.length - 1)) / panels.length;
  const traces = [];
  const told = new Set();
  panels.forEach((panel, place) => {
    const which = place ? `y${place + 1}` : "y";
    const top = 1 - place * (tall + gap);
    layout[place ? `yaxis${place + 1}` : "yaxis"] = axis("", { domain: [Math.max(0, top - tall), top], anchor: "x", nticks: 5 });
    layout.annotations.push(heading(panel.title, { x: 0, y: top }));
    for (const curve of panel.curves) {
      const { column } = curve;
      const rows = curve.rows.filter((values) => values[column] != null); // an effect may be measured at every second layer
      const color = ink(curve.color);
      const group = curve.name + curve.color;
      for (const [lo, hi, tint] of [[`${column}_lo`, `${column}_hi`, 0.2], [`${column}_null_lo`, `${column}_null_hi`, 0.12]]) {
        const band = rows.filter((values) => values[lo] != null && values[hi] != null);
        if (!band.length) continue;
        traces.push({
          type: "scatter", mode: "lines", yaxis: which, hoverinfo: "skip", showlegend: false, line: { width: 0 }, fill: "toself",
          fillcolor: alpha(tint === 0.12 ? colour("muted") : color, tint), legendgroup: group,
          x: [...band.map((values) => values.layer), ...band.map((values) => values.layer).reverse()],
          y: [...band.map((values) => values[hi]), ...band.map((values) => values[lo]).reverse()],
        });
      }
      const x = rows.map((values) => values.layer);
      traces.push({
        type: "scatter", mode: curve.thin ? "lines" : "lines+markers", yaxis: which, name: escapeHtml(curve.name), legendgroup: group,
        showlegend: !curve.thin && !told.has(group), x, y: rows.map((values) => values[column]),
        line: { color, width: curve.thin ? 1 : 2 }, opacity: curve.thin ? 0.6 : 1,
        marker: { color, symbol: curve.symbol, size: 7, line: { color, width: 1.5 } },
        customdata: rows.map((values) => [escapeHtml(curve.name), estimate(values, column, curve.signed)]),
        hovertemplate: "%{customdata[0]} %{customdata[1]}<extra></extra>",
      });
      if (!curve.thin) told.add(group);
      if (rows.some((values) => values[`${column}_control`] != null)) {
        const first = !told.has("control");
        told.add("control");
        traces.push({
          type: "scatter", mode: "lines", yaxis: which, name: "control of the same colour", showlegend: first, x,
          y: rows.map((values) => values[`${column}_control`]), line: { color, width: 1.2, dash: "dash" },
          hovertemplate: `${escapeHtml(curve.name)}, control %{y:.3f}<extra></extra>`,
        });
      }
    }
  });
  layout.legend = { ...layout.legend, y: -70 / (height - 90) };
  draw(name, traces, layout);
};

const toggle = at("theme");
const sayTheme = () => {
  toggle.textContent = dark() ? "Light" : "Dark";
  toggle.setAttribute("aria-pressed", String(dark()));
};
toggle.addEventListener("click", () => {
  root.dataset.theme = dark() ? "light" : "dark";
  sayTheme();
  again();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { sayTheme(); again(); });

// On paper: light, every chart drawn and as wide as the page
let screenTheme;
addEventListener("beforeprint", () => {
  screenTheme = root.dataset.theme;
  root.dataset.theme = "light";
  for (const drawing of drawers) {
    drawing.place.style.width = "660px";
    drawing.seen = true;
    drawing.render();
  }
});
addEventListener("afterprint", () => {
  if (screenTheme) root.dataset.theme = screenTheme;
  else delete root.dataset.theme;
  for (const drawing of drawers) {
    drawing.place.style.width = "";
    drawing.render();
  }
});
sayTheme();
