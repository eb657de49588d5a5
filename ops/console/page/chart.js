// The last 15 minutes of a number: a line, and in words.

import { ago, el, rate, say } from "./dom.js";

export const span = 15 * 60 * 1000;
const svg = (name, attrs) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [k, v] of Object.entries(attrs)) e.setAttribute(k, v);
  return e;
};

export function chart(name) {
  const picture = svg("svg", { viewBox: "0 0 300 50", preserveAspectRatio: "none", "aria-hidden": "true" });
  picture.append(svg("polyline", { points: "" }));
  return el("figure", { class: "chart " + name }, el("figcaption"), picture);
}

const counted = (n, what) => `${rate(n)} ${what}${n === 1 ? "" : "s"}`;

export function draw(figure, points, what, does) {
  const now = Date.now();
  const shown = Math.min(span, Math.max(20000, now - (points[0]?.at ?? now)));
  const most = Math.max(0, ...points.map((p) => p.value));
  const last = points.at(-1);
  say(figure.querySelector("figcaption"), last ? `${counted(last.value, what)} ${does}; at most ${rate(most)} in ${ago(now - shown, now)}` : `not known yet: ${what}s ${does}`);
  figure.querySelector("polyline").setAttribute("points",
    points.map((p) => `${(300 * (1 - (now - p.at) / shown)).toFixed(1)},${(48 - 46 * (p.value / (most || 1))).toFixed(1)}`).join(" "));
}

