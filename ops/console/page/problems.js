// What is wrong, the worst first: each in the worker's own words, with what can be done beside it.

import { $, ago, clock, el, keep, number, place, say, tag } from "./dom.js";
import { settings } from "./tune.js";

// A partition is lagging once its lag has grown over this time, and blocked once its cause has
// lasted so long; work may take longer.
const patience = 10000;
const longer = 60000;
const working = new Set(["handler", "sink", "batch", "transform", "workers", "transaction", "throttle"]);
const harmless = new Set(["", "idle", "halt", "park", "pause"]); // halts have cards of their own

const worst = { silent: 0, failed: 0, stopped: 1, halted: 2, parked: 2, unreadable: 3, blocked: 4, "not ready": 5, lagging: 6, paused: 7, "parked by hand": 7, "set by hand": 7 };
const most = 200; // cards that a page is still quick with

// byHand reports whether an operator wants it so.
export const byHand = (p) => worst[p.kind] === 7;

const stands = (h) => (h.scope === "partition" ? (h.by ? "paused" : "halted") : h.by ? "parked by hand" : "parked");

// find lists the problems of a look.
export function find(look, grows) {
  const all = [];
  for (const r of look.replicas) {
    if (!r.process) all.push({ id: "silent " + r.name, kind: "silent", title: r.name, text: "The replica does not answer. What it has is not shown here.", error: r.error });
  }
  for (const p of look.pipelines) {
    for (const m of p.members) {
      const title = p.id + (look.several ? " at " + m.replica : "");
      if (m.failed) all.push({ id: "failed " + title, kind: "failed", title, text: "The pipeline has ended, and processes nothing.", error: m.failed });
      else if (!m.running) all.push({ id: "stopped " + title, kind: "stopped", title, text: "The pipeline is not running." });
      else if (!m.ready) all.push({ id: "ready " + title, kind: "not ready", title, text: m.reason });
    }
    for (const t of p.troubles) {
      const where = t.partition == null ? t.topic : place(t);
      all.push({ id: `trouble ${p.id} ${where}`, kind: "unreadable", title: where, text: "It cannot be read.", error: t.error, since: t.since });
    }
    for (const s of settings(p)) {
      all.push({ id: `set ${p.id} ${s.what} ${s.step} ${s.at} ${s.now}`, kind: "set by hand", title: s.title + (look.several ? " at " + (s.at || "this process") : ""), text: s.text, setting: s, of: p.id });
    }
    for (const q of p.partitions) {
      const where = place(q);
      const lasts = q.since && Date.now() - Date.parse(q.since);
      if (!harmless.has(q.cause) && lasts > (working.has(q.cause) ? longer : patience)) {
        all.push({ id: `blocked ${p.id} ${where}`, kind: "blocked", title: where, text: q.why, since: q.since, pipeline: p.id, partition: q, facts: [behind(q)] });
      } else if (q.state === "open" && grows(p.id, q, patience)) {
        all.push({ id: `lag ${p.id} ${where}`, kind: "lagging", title: where, text: `${number(q.activeLag)} records are to do, and they become more. It ${q.why.slice(where.length + 1)}.`, pipeline: p.id, partition: q });
      }
    }
  }
  for (const h of look.halts) all.push(ofHalt(h, look));
  return all.sort((a, b) => worst[a.kind] - worst[b.kind] || (a.since ?? "").localeCompare(b.since ?? "") || a.id.localeCompare(b.id));
}

// together makes one problem of halts that have the same error at the same step, and one of pauses
// that are of the same operator.
function together(problems) {
  const alike = Map.groupBy(problems, (p) => (p.kind === "paused" ? JSON.stringify([p.kind, p.pipeline, p.halt.by]) : p.halt && !p.halt.by ? JSON.stringify([p.kind, p.pipeline, p.halt.step, p.error]) : p.id));
  return [...alike].map(([id, all]) => (all.length === 1 ? all[0] : { ...all[0], id: "all " + id, all, halt: null, facts: [], ...summed(all) }));
}

function summed(all) {
  const [{ kind, pipeline, halt }] = all, n = number(all.length);
  if (kind === "paused") return { title: `${n} partitions of ${pipeline}`, text: `They have been paused by ${halt.by}. What was read is finished.`, which: `that ${halt.by} has paused`, does: "Reads each of them on from where it stopped." };
  return { title: `${halt.step} failed on ${n} records`, text: waits[halt.scope + "s"], which: `that ${halt.step} failed on`, does: "Retries each of them. What has finished is not run again." };
}

const waits = {
  lane: "Records of this key wait, all other keys continue.", lanes: "Records of these keys wait, all other keys go on.",
  record: "This record waits, all others continue.", records: "These records wait, all others continue.",
  partitions: "Nothing of these partitions is worked on.",
};

// ofHalt tells a halt: who or what has stopped what, with which error, and what it holds up.
function ofHalt(h, look) {
  const p = { id: "halt " + h.at + h.id, kind: stands(h), since: h.since, pipeline: h.pipeline, halt: h };
  if (h.by) return { ...p, title: place(h), text: h.text };
  const q = look.partitions.get(`${h.pipeline} ${place(h)} ${h.at}`);
  const record = `${place(h)}@${h.offset}` + (h.last > h.offset ? ` … @${h.last}` : "");
  const attempts = `${h.attempts} attempt${h.attempts === 1 ? "" : "s"}`;
  const facts = [h.key ? "key " + h.key : "", "since " + clock(h.since), h.resumeAt ? "retried by itself at " + clock(h.resumeAt) : "",
    h.restored ? "from before the last restart; this build has not tried it again" : h.durable ? "a restart of this build does not release it" : "",
    look.several ? "at " + h.replica : ""];
  const impact = h.scope === "partition" ? `Nothing of ${place(h)} is worked on${q ? ": " + behind(q) : ""}.` : waits[h.scope];
  return { ...p, title: h.scope === "partition" ? place(h) : record, text: `${h.step} failed on ${record} after ${attempts}. ${impact}`, error: h.error, facts };
}

// behind says what waits in a partition: its lag, without what has finished above the watermark.
const behind = (q, n = q.lag == null ? q.inFlight : q.lag - q.finishedAhead) => (`${number(n)} record${n === 1 ? " waits" : "s wait"}` + (q.lagSeconds > 0 ? `, the oldest from ${ago(Date.now() - 1000 * q.lagSeconds)} ago` : ""));

// show draws them. acts has what the buttons do.
export function show(found, look, acts) {
  const problems = together(found);
  const well = $("well");
  well.hidden = problems.length > 0;
  const parts = look.pipelines.reduce((n, p) => n + p.partitions.length, 0);
  say(well, `Nothing is. Partitions: ${parts}, which move or have nothing to read.` + (look.several ? ` Replicas: ${look.replicas.length}.` : ""));
  keep($("problems"), problems.slice(0, most), (p) => p.id, (p) => card(p, acts), (e, p) => {
    say(e.querySelector(".title"), p.title);
    say(e.querySelector(".text"), p.text);
    say(e.querySelector(".since"), p.since ? `for ${ago(p.since)}` : "");
    say(e.querySelector(".facts"), (p.facts ?? []).filter(Boolean).join(" · "));
    const error = e.querySelector("pre");
    error.hidden = !p.error;
    say(error, p.error);
    if (p.all) members(e, p.all, acts);
  });
  $("rest").hidden = problems.length <= most;
  say($("rest"), `${number(problems.length - most)} more are not shown. ${elsewhere}`);
}

const elsewhere = "laneway halts lists all of them, and laneway resume --all retries what has failed.";

const button = (acts, label, name, act, quiet) =>
  el("button", { type: "button", class: quiet && "quiet", "aria-label": `${label} ${name}`, click: (ev) => acts.run(ev.currentTarget, act) }, label);

function card(p, acts) {
  const e = el("li", { class: "card " + (worst[p.kind] < 4 ? "bad" : "") },
    el("h3", {}, tag(el("span"), p.kind), " ", el("span", { class: "title" }), " ", el("span", { class: "since soft" })),
    el("p", { class: "text" }), el("pre", { class: "why", tabindex: "0", "aria-label": "Error: " + p.kind + " " + (p.all?.[0].halt.step || p.title) }), el("p", { class: "facts soft" }));
  const does = el("dl");
  const row = (b, text) => does.append(el("dt", {}, b), el("dd", {}, text));
  if (p.all) {
    row(button(acts, "Resume all", p.which, () => acts.resumeAll(e.all)), p.does);
    e.append(does, el("ul", { class: "members" }), el("p", { class: "facts soft over", hidden: true }));
    return e;
  }
  if (p.halt) {
    row(button(acts, "Resume", p.halt.by && p.halt.key ? `${p.title} key ${p.halt.key}` : p.title, () => acts.resume(p.halt)), p.halt.resume);
    if (p.halt.skip) row(button(acts, "Skip", p.title, () => acts.skip(p.halt), true), p.halt.skip + " It asks before.");
    e.append(does);
  }
  if (p.setting) {
    row(button(acts, "Set back", p.title, () => acts.setBack(p.of, p.setting)), p.setting.back);
    e.append(does);
  }
  if (p.pipeline) e.append(el("p", { class: "more" }, ...looks(p, acts)));
  return e;
}

// looks are buttons that change nothing.
function looks(p, acts) {
  const all = [button(acts, "Explain", p.title, () => acts.explain(p.pipeline, p.halt ?? p.partition), true)];
  if (p.halt && !p.halt.by && acts.previews(p.halt.at)) all.push(" ", button(acts, "Record", p.title, () => acts.record(p.halt), true));
  return all;
}

// members lists the problems that one card is about.
function members(e, all, acts) {
  e.all = all.map((p) => p.halt);
  keep(e.querySelector(".members"), all.slice(0, most), (p) => p.id,
    (p) => el("li", {}, el("span", {}, el("strong", {}, p.title), " ", el("span", { class: "soft" })),
      el("span", { class: "more" }, button(acts, "Resume", p.title, () => acts.resume(p.halt), true), " ",
        ...(p.halt.skip ? [button(acts, "Skip", p.title, () => acts.skip(p.halt), true), " "] : []), ...looks(p, acts))),
    (li, p) => say(li.querySelector(".soft"), (p.facts ?? [p.text.slice(p.title.length + 1)]).filter(Boolean).join(" · ")));
  const over = e.querySelector(".over");
  over.hidden = all.length <= most;
  say(over, `${number(all.length - most)} more are not listed; Resume all is about all. ${elsewhere}`);
}
