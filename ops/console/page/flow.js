// Each pipeline: how it stands, how fast it goes, and its chain.

import { $, el, keep, number, say, tag } from "./dom.js";
import { chainOf, measure } from "./chain.js";
import { chart, draw } from "./chart.js";
import { of } from "./history.js";
import { showTuned, tuner } from "./tune.js";

const charts = [["rate", "finishedPerSecond", "record", "finished per second"], ["lag", "lag", "record", "to do in all partitions"],
  ["busy", "inFlight", "record", "in flight"], ["failures", "failedPerSecond", "attempt", "failed per second"]];

export function show(look, acts) {
  keep($("flows"), look.pipelines, (p) => p.id + "\n" + p.topology.text, (p) => make(p, acts), (e, p) => {
    const some = (is) => p.members.some(is);
    tag(e.querySelector("h3 .tag"), some((m) => m.failed) ? "failed" : some((m) => !m.running) ? "stopped" : some((m) => !m.ready) ? "not ready" : "ready");
    const c = p.counters;
    const waits = [[c.retrying, "retrying"], [c.postponed, "postponed"], [c.waiting, "waiting without a worker"], [c.overruns, "past their Timeout"]].filter(([n]) => n);
    say(e.querySelector(".counters"), waits.length ? waits.map(([n, what]) => `${number(n)} ${what}`).join(" · ") : "nothing is retried or postponed");
    e.pipeline = p;
    showTuned(e.querySelector(":scope > .tune"), p);
    for (const [name, field, what, does] of charts) draw(e.querySelector("." + name), of(p, field), what, does);
    measure(e.querySelector(".chain"), p, look.halts.filter((h) => h.pipeline === p.id));
  });
}

function make(p, acts) {
  const e = el("article", { class: "flow" });
  e.append(
    el("h3", {}, el("span", { class: "tag" }), " ", p.id, " ", el("span", { class: "counters soft" })),
    el("p", { class: "soft" }, p.topology.guarantee),
    tuner(e, "rates", "", acts),
    el("div", { class: "charts" }, ...charts.map(([name]) => chart(name))),
    chainOf(p.topology, p.id, acts));
  return e;
}
