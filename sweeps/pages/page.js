// Tables sort by their columns; figures are drawn when they come into sight, in the page's own colours.
"use strict";

// ---- tables

function key(row, column) {
  const text = row.cells[column].dataset.v;
  const number = text.trim() === "" ? NaN : Number(text.replace(/^(-?)inf$/, "$1Infinity"));
  return Number.isNaN(number) ? text : number;
}

function compare(a, b) {
  if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
  return typeof a === "number" ? -1 : 1;
}

function sortBy(head) {
  const table = head.closest("table"), column = head.cellIndex, body = table.tBodies[0];
  const up = head.getAttribute("aria-sort") !== "ascending";
  const keyed = [...body.rows].map((row) => [key(row, column), row]);
  keyed.sort((a, b) => (up ? 1 : -1) * compare(a[0], b[0]));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  body.append(...keyed.map(([, row]) => row));
}

for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => sortBy(button.parentElement));
}

// ---- figures

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function themed(layout) {
  const text = colour("--text"), grid = colour("--grid"), line = colour("--line");
  const whole = { ...layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true };
  whole.font = { family: "system-ui, sans-serif", size: 12, color: text };
  whole.hoverlabel = { bgcolor: colour("--card"), bordercolor: line, font: { color: text } };
  for (const axis of Object.keys(whole).filter((name) => /^[xy]axis/.test(name))) {
    whole[axis] = { ...whole[axis], gridcolor: grid, linecolor: line, zerolinecolor: line };
  }
  return whole;
}

function draw(place) {
  const { data, layout } = JSON.parse(place.nextElementSibling.textContent);
  for (const trace of data.filter((one) => one.error_x)) trace.error_x.color = colour("--text");
  const bar = matchMedia("(hover: hover)").matches ? "hover" : false;
  const settings = { responsive: true, displaylogo: false, displayModeBar: bar, modeBarButtonsToRemove: ["select2d", "lasso2d"] };
  return Plotly.react(place, data, themed(layout), settings).then(() => {
    if (place.dataset.drawn) return;
    place.dataset.drawn = "yes";
    place.on("plotly_click", (event) => {
      const link = event.points[0].customdata;
      if (typeof link === "string" && !link.startsWith("//") && !/^[a-z][a-z0-9+.-]*:/i.test(link)) window.location.href = link;
    });
  });
}

const places = [...document.querySelectorAll(".plot")];
if (typeof Plotly === "undefined") {
  for (const place of places) {
    place.classList.add("failed");
    place.textContent = "plotly.min.js is not beside this page: the figure's data are in its CSV.";
  }
} else {
  const sight = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting && !one.target.dataset.drawn)) draw(entry.target);
  }, { rootMargin: "600px" });
  for (const place of places) sight.observe(place);
  window.addEventListener("beforeprint", () => places.forEach(draw));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    places.filter((place) => place.dataset.drawn).forEach(draw);
  });
}
