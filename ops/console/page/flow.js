// Each pipeline: how it stands, how fast it goes, and its chain.

import { $, el, keep, number, say, tag } from "./dom.js";
import { chainOf, measure } from "./chain.js";
import { chart, draw } from "./chart.js";

export function show(look, history) {
  keep($("flows"), look.pipelines, (p) => p.id + "\n" + p.topology.text, make, (e, p) => {
    const of = (is) => p.members.some(is);
    tag(e.querySelector("h3 .tag"), of((m) => m.failed) ? "failed" : of((m) => !m.running) ? "stopped" : of((m) => !m.ready) ? "not ready" : "ready");
    const c = p.counters;
    const waits = [[c.retrying, "retrying"], [c.postponed, "postponed"], [c.waiting, "waiting without a worker"], [c.overruns, "past their Timeout"]].filter(([n]) => n);
    say(e.querySelector(".counters"), waits.length ? waits.map(([n, what]) => `${number(n)} ${what}`).join(" · ") : "nothing is retried or postponed");
    draw(e.querySelector(".rate"), history.of(p.id, "rate"), "finished per second");
    draw(e.querySelector(".lag"), history.of(p.id, "lag"), "to do in all partitions");
    measure(e.querySelector(".chain"), p.work, look.halts.filter((h) => h.pipeline === p.id));
  });
}

function make(p) {
  return el("article", { class: "flow" },
    el("h3", {}, el("span", { class: "tag" }), " ", p.id, " ", el("span", { class: "counters soft" })),
    el("p", { class: "soft" }, p.topology.guarantee),
    el("div", { class: "charts" }, chart("rate"), chart("lag")),
    chainOf(p.topology, p.id));
}
