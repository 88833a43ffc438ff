// Whoever points at a chart is told its values there; charts over time move together.
"use strict";

const figures = Array.from(document.querySelectorAll("figure"), (figure) => ({
  group: figure.dataset.group,
  plot: figure.querySelector(".plot"),
  cursor: figure.querySelector(".cursor"),
  outputs: figure.querySelectorAll("output"),
  data: JSON.parse(figure.querySelector("script").textContent),
}));

function nearest(xs, x) {
  let best = 0;
  xs.forEach((at, i) => {
    if (Math.abs(at - x) < Math.abs(xs[best] - x)) best = i;
  });
  return best;
}

function show({ cursor, outputs, data }, i) {
  cursor.hidden = false;
  cursor.style.left = `${data.x[i]}%`;
  cursor.dataset.at = data.at[i];
  outputs.forEach((output, line) => (output.textContent = data.lines[line][i] || "–"));
}

function clear({ cursor, outputs }) {
  cursor.hidden = true;
  outputs.forEach((output) => (output.textContent = ""));
}

for (const figure of figures) {
  const together = figure.group ? figures.filter((other) => other.group === figure.group) : [figure];
  figure.plot.addEventListener("pointermove", (event) => {
    const box = figure.plot.getBoundingClientRect();
    const i = nearest(figure.data.x, (100 * (event.clientX - box.left)) / box.width);
    together.forEach((other) => show(other, i));
  });
  figure.plot.addEventListener("pointerleave", () => together.forEach(clear));
}
