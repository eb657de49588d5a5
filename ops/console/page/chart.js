// The last 15 minutes of a number: a line, and in words.

import { ago, el, number, place, say } from "./dom.js";

const span = 15 * 60 * 1000;
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

const counted = (n) => `${number(Math.round(n))} record${Math.round(n) === 1 ? "" : "s"}`;

export function draw(figure, points, what) {
  const now = Date.now();
  const shown = Math.min(span, Math.max(20000, now - (points[0]?.at ?? now)));
  const most = Math.max(1, ...points.map((p) => p.value));
  const last = points.at(-1);
  say(figure.querySelector("figcaption"), last ? `${counted(last.value)} ${what}; at most ${counted(most)} in ${ago(now - shown, now)}` : `not known yet: ${what}`);
  figure.querySelector("polyline").setAttribute("points",
    points.map((p) => `${(300 * (1 - (now - p.at) / shown)).toFixed(1)},${(48 - 46 * (p.value / most)).toFixed(1)}`).join(" "));
}

// History keeps what a look does not: rates, and whether a lag grows.
export class History {
  series = new Map();
  totals = new Map();
  lags = new Map();

  add(look, at = Date.now()) {
    for (const p of look.pipelines) {
      let finished = 0, lag = 0, known = false;
      for (const q of p.partitions) {
        finished += this.#finished(p.id, q);
        if (q.activeLag != null) { lag += q.activeLag; known = true; }
        this.#lag(p.id, q, at);
      }
      const before = this.totals.get(p.id);
      this.totals.set(p.id, at);
      if (before) this.#put(p.id, "rate", at, (1000 * finished) / (at - before));
      if (known) this.#put(p.id, "lag", at, lag);
    }
  }

  of(id, name) {
    return this.series.get(name + " " + id) ?? [];
  }

  // grows reports whether the lag has risen at every look for so long.
  grows(id, q, patience) {
    const l = this.lags.get(`${id} ${place(q)}`);
    return l != null && q.activeLag > 0 && l.at - l.since >= patience;
  }

  #put(id, name, at, value) {
    const key = name + " " + id;
    const points = (this.series.get(key) ?? []).filter((p) => at - p.at < span);
    points.push({ at, value });
    this.series.set(key, points);
  }

  #finished(id, q) { // since the last look, in one assignment
    const key = `finished ${id} ${place(q)} ${q.epoch} ${q.instance}`;
    const before = this.totals.get(key) ?? q.totals.finished;
    this.totals.set(key, q.totals.finished);
    return q.totals.finished - before;
  }

  #lag(id, q, at) {
    const key = `${id} ${place(q)}`;
    const l = this.lags.get(key);
    const lag = q.activeLag;
    if (!l || lag == null || lag <= l.lag) this.lags.set(key, { lag: lag ?? 0, since: at, at });
    else this.lags.set(key, { lag, since: l.since, at });
  }
}
