"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const at = (id) => document.getElementById(id);
  const make = (tag, text, kind) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };
  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const dark = () => {
    const asked = root.dataset.theme;
    return asked ? asked === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const ink = (color) => (color === "#000000" ? colour("text") : color === "#767676" ? colour("muted") : color);
  const alpha = (color, share) => {
    const [r, g, b] = [1, 3, 5].map((place) => parseInt(color.slice(place, place + 2), 16));
    return `rgba(${r},${g},${b},${share})`;
  };
  const share = (value, signed) =>
    value === null || value === undefined ? "not measured" : (signed && value >= 0 ? "+" : "") + value.toFixed(3);
  const estimate = (row, name, signed) =>
    share(row[name], signed) +
    (row[`${name}_lo`] == null ? "" : ` [${share(row[`${name}_lo`], signed)}, ${share(row[`${name}_hi`], signed)}]`);
  const fill = (select, values) => {
    for (const [value, label] of values) {
      const option = make("option", label);
      option.value = value;
      select.append(option);
    }
  };
  const distinct = (rows, name) => [...new Set(rows.map((row) => row[name]))];
  const languageName = (code) => {
    if (code === "macro") return "mean over languages";
    try {
      const name = new Intl.DisplayNames(["en"], { type: "language" }).of(code);
      return name && name !== code ? `${name} (${code})` : code;
    } catch {
      return code;
    }
  };
  const languages = (rows) =>
    distinct(rows, "language").sort((a, b) => (b === "macro") - (a === "macro")).map((code) => [code, languageName(code)]);
  const label = (method) => (data.looks[method] ? data.looks[method].label : method);

  const frame = () => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
    font: { family: "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif", size: 13, color: colour("text") },
    margin: { l: 62, r: 18, t: 24, b: 52 }, hovermode: "closest",
    hoverlabel: { bgcolor: colour("raised"), bordercolor: colour("muted"), font: { color: colour("text") }, align: "left" },
    legend: { orientation: "h", y: -0.16, yanchor: "top", font: { size: 12 } },
  });
  const axis = (title, more) => ({
    title: { text: title, standoff: 8 }, gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("line"),
    ticks: "outside", tickcolor: colour("line"), automargin: true, ...more,
  });
  const options = {
    responsive: true, displaylogo: false, showSendToCloud: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], toImageButtonOptions: { format: "svg" },
  };
  const draw = (id, traces, layout) => Plotly.react(at(id), traces, layout, options);

  const drawers = [];
  const chart = (id, render) => {
    const place = at(id);
    if (!place) return;
    const drawer = { place, render, seen: false };
    drawers.push(drawer);
    new IntersectionObserver((entries, observer) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      drawer.seen = true;
      drawer.render();
    }, { rootMargin: "300px" }).observe(place);
  };
  const again = () => drawers.filter((drawer) => drawer.seen).forEach((drawer) => drawer.render());

  // The plane
  const planeRows = () => data.plane.filter((row) => row.language === at("plane-language").value);
  let listening = false;
  const drawPlane = () => {
    const rows = planeRows().filter((row) => row.transfer !== null && row.localization !== null);
    const shown = rows.filter((row) => at("plane-controls").checked || !data.looks[row.method].control);
    const error = (row, name, color) => ({
      type: "data", symmetric: false, array: [row[`${name}_hi`] - row[name]], arrayminus: [row[name] - row[`${name}_lo`]],
      color, thickness: 1, width: 0,
    });
    const chosen = at("plane-method").value;
    const traces = shown.map((row) => {
      const look = data.looks[row.method];
      const color = ink(look.color);
      return {
        type: "scatter", mode: "markers", name: look.label, x: [row.transfer], y: [row.localization], customdata: [row.method],
        marker: {
          color, symbol: look.symbol, size: row.method === chosen ? 17 : look.control ? 9 : 13,
          line: { color: look.control ? color : colour("text"), width: look.control ? 1.5 : row.method === chosen ? 2 : 0.5 },
        },
        error_x: error(row, "transfer", alpha(toHex(color), look.control ? 0.4 : 0.8)),
        error_y: error(row, "localization", alpha(toHex(color), look.control ? 0.4 : 0.8)),
        hovertemplate:
          `<b>${escapeHtml(look.label)}</b><br>${escapeHtml(languageName(row.language))}<br>transfer ${estimate(row, "transfer")}, ` +
          `n ${row.n_universal}<br>localization ${estimate(row, "localization")}, n ${row.n_cultural}<extra></extra>`,
      };
    });
    const base = rows.find((row) => row.method === "base");
    const arrows = base ? shown.filter((row) => row.method !== "base" && !data.looks[row.method].control).map((row) => ({
      x: row.transfer, y: row.localization, ax: base.transfer, ay: base.localization, xref: "x", yref: "y", axref: "x", ayref: "y",
      text: "", showarrow: true, arrowhead: 2, arrowsize: 0.9, arrowwidth: 1.4, standoff: 8, startstandoff: 6,
      arrowcolor: ink(data.looks[row.method].color), opacity: 0.75,
    })) : [];
    const narrow = at("chart-plane").clientWidth < 560;
    draw("chart-plane", traces, {
      ...frame(), annotations: arrows, height: narrow ? 600 : 520, clickmode: "event",
      xaxis: axis("transfer"), yaxis: axis("localization"),
      margin: narrow ? { l: 52, r: 10, t: 16, b: 52 } : frame().margin,
    });
    if (!listening) {
      listening = true;
      at("chart-plane").on("plotly_click", (event) => choose(event.points[0].customdata));
    }
  };
  const toHex = (color) => (/^#[0-9a-f]{6}$/i.test(color) ? color : "#888888");
  const escapeHtml = (text) => String(text).replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
  const choose = (method) => {
    if (!data.chosen[method] && method !== "base") return;
    at("plane-method").value = data.chosen[method] ? method : "";
    showChosen();
    drawPlane();
  };
  const showChosen = () => {
    const place = at("chosen");
    place.replaceChildren();
    const method = at("plane-method").value;
    if (!data.chosen[method]) return;
    place.append(make("h3", `${label(method)}: layers and strengths, chosen on dev`));
    const table = make("table");
    const head = make("tr");
    for (const name of ["language", "vector", "after block", "strength"]) {
      const cell = make("th", name);
      cell.scope = "col";
      head.append(cell);
    }
    table.append(make("thead"), make("tbody"));
    table.tHead.append(head);
    for (const [code, steers] of Object.entries(data.chosen[method])) {
      for (const [vector, layer, strength] of steers) {
        const row = make("tr");
        const cell = make("th", languageName(code));
        cell.scope = "row";
        row.append(cell, make("td", label(vector)), make("td", String(layer)), make("td", String(strength)));
        table.tBodies[0].append(row);
      }
    }
    const scroll = make("div", undefined, "scroll");
    scroll.append(table);
    place.append(scroll);
  };
  if (at("plane-language")) {
    fill(at("plane-language"), languages(data.plane));
    fill(at("plane-method"), [["", "no method"], ...Object.keys(data.chosen).map((method) => [method, label(method)])]);
    for (const id of ["plane-language", "plane-controls"]) at(id).addEventListener("change", drawPlane);
    at("plane-method").addEventListener("change", () => { showChosen(); drawPlane(); });
    chart("chart-plane", drawPlane);
  }

  // Layers and strengths
  const drawSweep = () => {
    const rows = data.sweep.filter((row) => row.language === at("sweep-language").value && row.method === at("sweep-method").value);
    const layers = distinct(rows, "layer").sort((a, b) => a - b);
    const share = (strength) => Number(String(strength).endsWith("r")); // of the residual norm, such as 0.1r
    const strengths = distinct(rows, "strength").sort((a, b) => share(a) - share(b) || parseFloat(a) - parseFloat(b));
    const find = (layer, strength) => rows.find((row) => row.layer === layer && row.strength === strength);
    const reach = Math.max(0.01, ...data.sweep.filter((row) => row.language === at("sweep-language").value)
      .flatMap((row) => [row.d_transfer, row.d_localization]).filter((value) => value !== null).map(Math.abs));
    const middle = dark() ? "#12171c" : "#ffffff";
    const scale = [[0, "#8a3500"], [0.25, "#d55e00"], [0.5, middle], [0.75, "#0072b2"], [1, dark() ? "#56b4e9" : "#08223d"]];
    const narrow = at("chart-sweep").clientWidth < 700;
    const traces = ["d_transfer", "d_localization"].map((name, place) => ({
      type: "heatmap", x: layers, y: strengths.map(String), xaxis: place ? "x2" : "x", yaxis: place ? "y2" : "y", xgap: 2, ygap: 2,
      z: strengths.map((strength) => layers.map((layer) => find(layer, strength)[name])),
      customdata: strengths.map((strength) => layers.map((layer) => {
        const row = find(layer, strength);
        return `${estimate(row, name, true)}${row.chosen ? `<br>chosen${row.language === "macro" ? ` in ${row.chosen} languages` : ""}` : ""}`;
      })),
      zmin: -reach, zmax: reach, colorscale: scale, showscale: place === 0, colorbar: { thickness: 12, len: narrow ? 0.45 : 1, y: narrow ? 0.78 : 0.5, outlinewidth: 0, title: { text: "change", side: "right" } },
      hovertemplate: `layer %{x}, strength %{y}<br>${name.slice(2)} %{customdata}<extra></extra>`,
    }));
    const marks = strengths.flatMap((strength, y) => layers.filter((layer) => find(layer, strength).chosen > 0).flatMap((layer) =>
      ["", "2"].map((which) => ({
        type: "rect", xref: `x${which}`, yref: `y${which}`, x0: layer - 0.46, x1: layer + 0.46, y0: y - 0.46, y1: y + 0.46,
        line: { color: colour("text"), width: 2 },
      }))));
    const integer = { dtick: layers.length > 16 ? undefined : 1, showgrid: false, zeroline: false };
    const titles = ["transfer", "localization"].map((text, place) => ({
      text: `<b>${text}</b>`, showarrow: false, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom",
      x: narrow || !place ? 0 : 0.54, y: narrow && place ? 0.43 : 1.01,
    }));
    draw("chart-sweep", traces, {
      ...frame(), shapes: marks, annotations: titles, height: narrow ? 640 : 400, margin: { l: 62, r: 18, t: 36, b: 52 },
      xaxis: axis("layer", { domain: narrow ? [0, 1] : [0, 0.46], ...integer, anchor: "y" }),
      xaxis2: axis("layer", { domain: narrow ? [0, 1] : [0.54, 1], ...integer, anchor: "y2" }),
      yaxis: axis("strength", { type: "category", domain: narrow ? [0.57, 1] : [0, 1], anchor: "x" }),
      yaxis2: axis(narrow ? "strength" : "", { type: "category", domain: narrow ? [0, 0.42] : [0, 1], anchor: "x2" }),
    });
  };
  if (at("sweep-language")) {
    fill(at("sweep-language"), languages(data.sweep));
    fill(at("sweep-method"), distinct(data.sweep, "method").map((method) => [method, label(method)]));
    for (const id of ["sweep-language", "sweep-method"]) at(id).addEventListener("change", drawSweep);
    chart("chart-sweep", drawSweep);
  }

  // Layer by layer
  const drawLayers = () => {
    const rows = data.layers.rows.filter((row) => row.language === at("layers-language").value).sort((a, b) => a.layer - b.layer);
    const x = rows.map((row) => row.layer);
    const traces = [];
    const narrow = at("chart-layers").clientWidth < 560;
    const layout = { ...frame(), annotations: [], height: narrow ? 960 : 820, margin: { l: 52, r: 18, t: 36, b: 52 }, hovermode: "x", xaxis: axis("layer", { anchor: "free", position: 0, dtick: x.length > 24 ? undefined : 1 }) };
    const panels = data.layers.panels.filter(([, curves]) => curves.some(([name]) => rows.some((row) => row[name] !== null)));
    const gap = 0.07;
    const shown = new Set();
    const height = (1 - gap * (panels.length - 1)) / panels.length;
    panels.forEach(([title, curves], place) => {
      const which = place ? `y${place + 1}` : "y";
      const top = 1 - place * (height + gap);
      layout[place ? `yaxis${place + 1}` : "yaxis"] = axis("", { domain: [Math.max(0, top - height), top], anchor: "x", nticks: 5 });
      layout.annotations.push({
        text: `<b>${escapeHtml(title)}</b>`, showarrow: false, xref: "paper", yref: "paper", x: 0, xanchor: "left", y: top, yanchor: "bottom",
      });
      for (const [name, text, original, symbol] of curves) {
        if (!rows.some((row) => row[name] !== null)) continue;
        const color = ink(original);
        const band = rows.filter((row) => row[`${name}_lo`] !== null && row[`${name}_lo`] !== undefined);
        if (band.length) {
          traces.push({
            type: "scatter", mode: "lines", yaxis: which, hoverinfo: "skip", showlegend: false, line: { width: 0 }, fill: "toself",
            fillcolor: alpha(toHex(color), 0.2), legendgroup: text + original,
            x: [...band.map((row) => row.layer), ...band.map((row) => row.layer).reverse()],
            y: [...band.map((row) => row[`${name}_hi`]), ...band.map((row) => row[`${name}_lo`]).reverse()],
          });
        }
        traces.push({
          type: "scatter", mode: "lines+markers", yaxis: which, name: text, legendgroup: text + original, showlegend: !shown.has(text + original), x, y: rows.map((row) => row[name]),
          line: { color, width: 2 }, marker: { color, symbol, size: 7, line: { color, width: 1.5 } }, customdata: rows.map((row) => estimate(row, name, name.startsWith("d_"))),
          hovertemplate: `${text} %{customdata}<extra></extra>`,
        });
        shown.add(text + original);
        if (rows.some((row) => row[`${name}_control`] != null)) {
          traces.push({
            type: "scatter", mode: "lines", yaxis: which, name: `${text}: control`, legendgroup: text + original, showlegend: false, x,
            y: rows.map((row) => row[`${name}_control`]), line: { color, width: 1.2, dash: "dash" },
            hovertemplate: `${text}, control %{y:.3f}<extra></extra>`,
          });
        }
      }
    });
    layout.legend = { ...layout.legend, y: -0.09 };
    draw("chart-layers", traces, layout);
  };
  if (at("layers-language")) {
    fill(at("layers-language"), languages(data.layers.rows));
    at("layers-language").addEventListener("change", drawLayers);
    chart("chart-layers", drawLayers);
  }

  // Items
  const PAGE = 50;
  let page = 0;
  const rightToLeft = new Set(["ar", "fa", "he", "ur", "ps", "sd", "ug", "yi", "ckb"]);
  const written = (tag, text, code, kind) => {
    const cell = make(tag, text, kind);
    cell.lang = code;
    cell.dir = rightToLeft.has(code) ? "rtl" : "auto";
    return cell;
  };
  const selected = () => {
    const [method, language, axisName, change] = ["items-method", "items-language", "items-axis", "items-change"].map((id) => at(id).value);
    const after = data.items.methods.indexOf(method);
    const text = at("items-text").value.trim().toLowerCase();
    return data.items.rows.filter((row) => {
      const [before, then] = [row[6][0], row[6][after]];
      if (!before || !then) return false;
      if ((language && row[1] !== language) || (axisName && row[0] !== axisName)) return false;
      if (change === "changed" && before[0] === then[0]) return false;
      if (change === "gained" && then[1] <= before[1]) return false;
      if (change === "lost" && then[1] >= before[1]) return false;
      return !text || [row[3], row[4], row[5], before[0], then[0]].some((value) => String(value).toLowerCase().includes(text));
    }).map((row) => [row, row[6][0], row[6][after]]);
  };
  const drawItems = () => {
    const rows = selected();
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    page = Math.min(Math.max(0, page), pages - 1);
    const body = at("items-table").tBodies[0];
    body.replaceChildren(...rows.slice(page * PAGE, (page + 1) * PAGE).map(([row, before, then]) => {
      const line = make("tr");
      const question = make("th");
      question.scope = "row";
      question.append(written("span", row[3], row[1]), make("span", `${languageName(row[1])}, ${row[0]}, ${row[2]}`, "where"));
      if (rightToLeft.has(row[1])) question.dir = "rtl";
      line.append(question, written("td", row[4], row[1]), written("td", row[5], row[1]));
      for (const [text, hit] of [before, then]) {
        const cell = make("td");
        cell.append(written("span", hit > 0 && hit < 1 ? `${text} (tied: ${hit.toFixed(2)} right)` : text, row[1], hit === 1 ? "right" : "wrong"));
        if (rightToLeft.has(row[1])) cell.dir = "rtl";
        line.append(cell);
      }
      return line;
    }));
    const right = (which) => Number(rows.reduce((sum, row) => sum + row[which][1], 0).toFixed(2));
    at("items-count").textContent = `${rows.length} questions; right before ${right(1)}, after ${right(2)}`;
    at("items-page").textContent = `page ${page + 1} of ${pages}`;
    at("items-back").disabled = page === 0;
    at("items-on").disabled = page === pages - 1;
  };
  if (at("items-table")) {
    const methods = data.items.methods.filter((method) => method !== "base");
    fill(at("items-method"), methods.map((method) => [method, label(method)]));
    if (methods.includes("surgical")) at("items-method").value = "surgical";
    fill(at("items-language"), [["", "all"], ...[...new Set(data.items.rows.map((row) => row[1]))].map((code) => [code, languageName(code)])]);
    fill(at("items-axis"), [["", "all"], ["universal", "facts"], ["cultural", "customs"]]);
    for (const id of ["items-method", "items-language", "items-axis", "items-change"]) {
      at(id).addEventListener("change", () => { page = 0; drawItems(); });
    }
    at("items-text").addEventListener("input", () => { page = 0; drawItems(); });
    at("items-back").addEventListener("click", () => { page -= 1; drawItems(); });
    at("items-on").addEventListener("click", () => { page += 1; drawItems(); });
    drawItems();
  }

  // Contents, light and dark
  for (const heading of document.querySelectorAll("section > h2")) {
    const link = make("a", heading.textContent);
    link.href = `#${heading.parentElement.id}`;
    document.querySelector("nav").append(link);
  }
  const toggle = at("theme");
  const say = () => {
    toggle.textContent = dark() ? "Light" : "Dark";
    toggle.setAttribute("aria-pressed", String(dark()));
  };
  toggle.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    say();
    again();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { say(); again(); });
  say();
})();
