// The assigned partitions.

import { $, ago, el, keep, number, place, say, tag } from "./dom.js";

const most = 1000; // rows that a page is still quick with

export function show(look, acts) {
  const wanted = $("filter").value.trim().toLowerCase();
  const all = look.pipelines.flatMap((p) => p.partitions.map((q) => ({ p, q, alone: look.pipelines.length === 1, several: look.several, halts: look.halts.filter((h) => h.at === q.at && h.pipeline === p.id && place(h) === place(q)) })));
  const fits = all.filter(({ p, q }) => !wanted || `${p.id} ${place(q)} ${q.state} ${q.cause} ${q.why} ${q.replica}`.toLowerCase().includes(wanted));
  say($("count"), `${fits.length} of ${all.length}` + (fits.length > most ? `, of which ${most} are shown` : ""));
  keep($("partitions"), fits.slice(0, most), ({ p, q }) => `${p.id} ${place(q)} ${q.epoch} ${q.at}`, (row) => make(row, acts), update);
}

function make({ p, q }, acts) {
  const where = place(q);
  const cell = (name, label, kind) => el("td", { class: name + (kind ? " " + kind : ""), "data-label": label });
  return el("tr", {},
    el("th", { scope: "row" }, where, el("div", { class: "pipeline soft" }, p.id), el("div", { class: "replica soft" }, q.replica)),
    el("td", { class: "state", "data-label": "State" }, el("span", { class: "tag" })),
    cell("why", "Why"), cell("lag", "Lag", "number"), cell("flight", "In flight", "number"), cell("watermark", "Watermark", "number"), cell("committed", "Committed", "number"), cell("ahead", "Finished ahead", "number"),
    el("td", { class: "actions" },
      el("button", { type: "button", class: "quiet", "aria-label": "Explain " + where, click: (ev) => acts.run(ev.currentTarget, () => acts.explain(p.id, q)) }, "Explain"), " ",
      el("button", { type: "button", class: "quiet pause", "aria-label": "Pause " + where, click: (ev) => acts.run(ev.currentTarget, () => acts.pause(p.id, q)) }, "Pause"), " ",
      el("button", { type: "button", class: "quiet park", "aria-label": "Park a key of " + where, click: (ev) => acts.run(ev.currentTarget, () => acts.park(p.id, q)) }, "Park a key")));
}

function update(row, { q, halts, alone, several }) {
  row.querySelector(".replica").hidden = !several;
  row.querySelector(".pipeline").hidden = alone;
  const paused = halts.some((h) => h.by && h.scope === "partition");
  tag(row.querySelector(".tag"), q.state === "halted" && paused ? "paused" : q.state);
  row.querySelector(".pause").disabled = paused || q.state === "draining";
  row.querySelector(".park").disabled = q.state === "draining";
  const set = (name, text) => say(row.querySelector("." + name), text);
  set("why", q.why.slice(place(q).length + 1));
  set("lag", number(q.lag) + (q.lag > 0 && q.lagSeconds > 0 ? `\n${ago(Date.now() - 1000 * q.lagSeconds)}` : "") + (q.activeLag != null && q.activeLag !== q.lag ? `\n${number(q.activeLag)} to do` : ""));
  set("flight", budget(q));
  set("watermark", number(q.watermark));
  set("committed", number(q.committed));
  set("ahead", number(q.finishedAhead) + (q.setAside ? `; ${number(q.setAside)} lanes set aside from ${number(q.setAsideFrom)}` : ""));
}

// budget is what is in flight, and how much may be. Results that wait for a transaction count, too.
function budget({ inFlight, bytes, room }) {
  if (!room.maxRecords) return number(inFlight); // it has just been revoked
  return `${number(Math.max(inFlight, room.maxRecords - room.records))} of ${number(room.maxRecords)}\n${mib(bytes)} of ${mib(room.maxBytes)} MiB`;
}

function mib(bytes) {
  const n = bytes / 2 ** 20;
  return n > 0 && n < 0.1 ? "< 0.1" : n.toLocaleString("en", { maximumFractionDigits: 1 });
}
