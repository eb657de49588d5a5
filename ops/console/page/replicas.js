// The processes of a fleet, where there are several.

import { $, ago, el, keep, say, tag } from "./dom.js";

export function show(look, acts) {
  $("fleet").hidden = !look.several;
  keep($("replicas"), look.several ? look.replicas : [], (r) => r.name, (r) => make(r, acts), (e, r) => {
    e.replica = r;
    tag(e.querySelector(".tag"), r.process ? "answers" : "silent");
    const parts = r.pipelines.reduce((n, p) => n + p.partitions.length, 0);
    say(e.querySelector(".says"), r.process ? `${parts} partition${parts === 1 ? "" : "s"}, up for ${ago(r.process.started)}` : r.error);
    e.querySelector("button").disabled = !r.process?.drains;
  });
}

function make(r, acts) {
  const e = el("li", {}, el("span", { class: "tag" }), " ", el("strong", {}, r.name), r.self ? el("span", { class: "soft" }, " serves this page,") : null, " ", el("span", { class: "says soft" }), " ",
    el("button", { type: "button", class: "quiet", "aria-label": "Drain " + r.name, click: (ev) => acts.run(ev.currentTarget, () => acts.drain(e.replica)) }, "Drain"));
  return e;
}
