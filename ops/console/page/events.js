// The last events, the newest first.

import { $, el, keep, place, tag } from "./dom.js";

const most = 300;
let all = [];
let next = 0;

export const after = () => next;

// forget drops what another process has told, or this one to another caller.
export function forget() {
  $("events").replaceChildren();
  all = [];
  next = 0;
}

export function add(body) {
  all = [...body.events.toReversed(), ...all].slice(0, most);
  next = body.next;
  keep($("events"), all, (e) => e.seq, make);
}

function make(e) {
  const where = e.topic ? place(e) + (e.offset != null ? `@${e.offset}` : "") : e.pipeline || "";
  const by = e.by ? ` · by ${e.by}` + (e.from ? ` from ${e.from}` : "") : "";
  return el("li", {},
    el("time", { datetime: e.at, title: e.at }, new Date(e.at).toTimeString().slice(0, 8)),
    el("span", {}, tag(el("span"), e.level)),
    el("span", {}, el("strong", {}, e.kind), e.text.includes(where) || !where ? " " : ` ${where} `, e.text, el("span", { class: "soft" }, (e.key ? ` · key ${e.key}` : "") + by)),
    e.stack ? el("details", {}, el("summary", {}, "Stack"), el("pre", {}, e.stack)) : null);
}
