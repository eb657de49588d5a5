// What is wrong, the worst first: each in the worker's own words, with what can be done beside it.

import { $, ago, el, keep, place, say, tag } from "./dom.js";

// A partition is lagging once its lag has grown over this time, and blocked once its cause has
// lasted so long; work may take longer.
const patience = 10000;
const longer = 60000;
const working = new Set(["handler", "sink", "batch", "transform", "workers", "transaction", "throttle"]);
const harmless = new Set(["", "idle", "halt", "park", "pause"]); // halts have cards of their own

const worst = { silent: 0, failed: 0, stopped: 1, halted: 2, parked: 2, unreadable: 3, blocked: 4, "not ready": 5, lagging: 6, paused: 7, "parked by hand": 7 };

const stands = (h) => (h.scope === "partition" ? (h.by ? "paused" : "halted") : h.by ? "parked by hand" : "parked");

// find lists the problems of a look.
export function find(look, lags) {
  const all = [];
  for (const r of look.replicas) {
    if (!r.process) all.push({ id: "silent " + r.name, kind: "silent", title: r.name, text: `The replica does not answer: ${r.error}. What it has is not shown here.` });
  }
  for (const p of look.pipelines) {
    for (const m of p.members) {
      const title = p.id + (look.several ? " at " + m.replica : "");
      if (m.failed) all.push({ id: "failed " + title, kind: "failed", title, text: m.failed });
      else if (!m.running) all.push({ id: "stopped " + title, kind: "stopped", title, text: "The pipeline is not running." });
      else if (!m.ready) all.push({ id: "ready " + title, kind: "not ready", title, text: m.reason });
    }
    for (const t of p.troubles) {
      const where = t.partition == null ? t.topic : place(t);
      all.push({ id: `trouble ${p.id} ${where}`, kind: "unreadable", title: where, text: t.error, since: t.since });
    }
    for (const q of p.partitions) {
      const where = place(q);
      const lasts = q.since && Date.now() - Date.parse(q.since);
      if (!harmless.has(q.cause) && lasts > (working.has(q.cause) ? longer : patience)) {
        all.push({ id: `blocked ${p.id} ${where}`, kind: "blocked", title: where, text: q.why, since: q.since, pipeline: p.id, partition: q });
      } else if (q.state === "open" && lags.grows(p.id, q, patience)) {
        all.push({ id: `lag ${p.id} ${where}`, kind: "lagging", title: where, text: `${q.lag} records are to be read, and they become more. It ${q.why.slice(where.length + 1)}.`, pipeline: p.id, partition: q });
      }
    }
  }
  for (const h of look.halts) {
    all.push({ id: "halt " + h.at + h.id, kind: stands(h), title: place(h) + (h.scope === "partition" || h.by ? "" : `@${h.offset}`), text: h.text, since: h.since, pipeline: h.pipeline, halt: h });
  }
  return all.sort((a, b) => worst[a.kind] - worst[b.kind] || (a.since ?? "").localeCompare(b.since ?? "") || a.id.localeCompare(b.id));
}

// show draws them. acts has what the buttons do.
export function show(problems, look, acts) {
  const well = $("well");
  well.hidden = problems.length > 0;
  const parts = look.pipelines.reduce((n, p) => n + p.partitions.length, 0);
  say(well, `Nothing is. Partitions: ${parts}, which move or have nothing to read.` + (look.several ? ` Replicas: ${look.replicas.length}.` : ""));
  keep($("problems"), problems.slice(0, 200), (p) => p.id, (p) => card(p, acts), (e, p) => {
    say(e.querySelector(".text"), p.text);
    say(e.querySelector(".since"), p.since ? `for ${ago(p.since)}` : "");
  });
}

function card(p, acts) {
  const kind = tag(el("span"), p.kind);
  const e = el("li", { class: "card " + (worst[p.kind] < 4 ? "bad" : "") },
    el("h3", {}, kind, " ", p.title, " ", el("span", { class: "since soft" })),
    el("p", { class: "text" }));
  const rows = el("dl");
  const row = (label, name, text, act, quiet) =>
    rows.append(el("dt", {}, el("button", { type: "button", class: quiet && "quiet", "aria-label": `${label} ${name}`, click: (ev) => acts.run(ev.currentTarget, act) }, label)), el("dd", {}, text));
  if (p.halt) {
    row("Resume", p.halt.by && p.halt.key ? `${p.title} key ${p.halt.key}` : p.title, p.halt.resume, () => acts.resume(p.halt));
    if (p.halt.skip) row("Skip", p.title, p.halt.skip, () => acts.skip(p.halt), true);
    if (!p.halt.by && acts.previews(p.halt.at)) row("Record", p.title, "Shows the record.", () => acts.record(p.halt), true);
    row("Explain", p.title, "Says why the partition does not move.", () => acts.explain(p.pipeline, p.halt), true);
  } else if (p.partition) {
    row("Explain", p.title, "Says more, with the stack of a running handler.", () => acts.explain(p.pipeline, p.partition), true);
  }
  e.append(rows);
  return e;
}
