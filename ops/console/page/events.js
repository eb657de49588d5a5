// The last events, the newest first.

import { $, el, keep, place, tag } from "./dom.js";

const most = 300;
let all = [];
let next = new Map(); // by process

export const after = (instance) => next.get(instance) ?? 0;

// forget drops what was told to another caller.
export function forget() {
  $("events").replaceChildren();
  all = [];
  next = new Map();
}

// keepOf drops what is left of processes that are gone, so that one started anew begins anew.
export function keepOf(replicas) {
  const there = new Set(replicas.flatMap((r) => r.process?.instance ?? []));
  for (const instance of next.keys()) if (!there.has(instance)) next.delete(instance);
}

// add adds the answer to a request for what came after asked.
export function add(body, replica, asked) {
  const instance = replica.process.instance;
  if (after(instance) !== asked) return; // forget was called meanwhile: it comes again, whole
  all = [...body.events.map((e) => ({ ...e, instance, replica: replica.name })), ...all];
  next.set(instance, body.next);
}

export function show(several) {
  all = all.sort((a, b) => b.at.localeCompare(a.at) || b.seq - a.seq).slice(0, most);
  keep($("events"), all, (e) => e.instance + e.seq, (e) => make(e, several));
}

function make(e, several) {
  const where = e.topic ? place(e) + (e.offset != null ? `@${e.offset}` : "") : e.pipeline || "";
  const by = e.by ? ` · by ${e.by}` + (e.from ? ` from ${e.from}` : "") : "";
  return el("li", {},
    el("time", { datetime: e.at, title: e.at }, new Date(e.at).toTimeString().slice(0, 8)),
    el("span", {}, tag(el("span"), e.level)),
    el("span", {}, el("strong", {}, e.kind), e.text.includes(where) || !where ? " " : ` ${where} `, e.text, el("span", { class: "soft" }, (e.key ? ` · key ${e.key}` : "") + by + (several ? ` · ${e.replica}` : ""))),
    e.stack ? el("details", {}, el("summary", {}, "Stack"), el("pre", {}, e.stack)) : null);
}
