// The chain of each pipeline, as Describe has it, with how fast it goes.

import { $, el, keep, number, say, tag } from "./dom.js";
import { chart, draw } from "./chart.js";

export function show(look, history) {
  keep($("flows"), look.pipelines, (p) => p.id, make, (e, p) => {
    const of = (is) => p.members.some(is);
    tag(e.querySelector(".tag"), of((m) => m.failed) ? "failed" : of((m) => !m.running) ? "stopped" : of((m) => !m.ready) ? "not ready" : "ready");
    const c = p.counters;
    say(e.querySelector(".counters"), `${number(c.retrying)} retrying · ${number(c.postponed)} postponed · ${number(c.waiting)} waiting · ${number(c.overruns)} past their Timeout`);
    draw(e.querySelector(".rate"), history.of(p.id, "rate"), "finished per second");
    draw(e.querySelector(".lag"), history.of(p.id, "lag"), "behind in all partitions");
  });
}

function make(p) {
  const t = p.topology;
  const stages = t.stages.map((s) =>
    el("li", {},
      el("p", { class: "soft" }, `${s.degree}; order kept: ${s.order}`),
      ...s.steps.map((st) =>
        el("p", {}, el("strong", {}, st.word), st.name.toLowerCase() === st.word.toLowerCase() ? "" : " " + st.name, st.detail ? ` (${st.detail})` : "",
          st.policies.length ? el("span", { class: "soft" }, " on error: " + st.policies.join(", then ")) : null)),
      s.commit ? el("p", {}, el("em", {}, s.commit)) : null));
  return el("article", { class: "flow" },
    el("h3", {}, el("span", { class: "tag" }), " ", p.id),
    el("p", { class: "soft" }, t.guarantee),
    el("p", { class: "counters" }),
    el("div", { class: "charts" }, chart("rate"), chart("lag")),
    el("ol", { "aria-label": "The chain of " + p.id }, el("li", {}, el("p", {}, el("strong", {}, t.source))), ...stages));
}
