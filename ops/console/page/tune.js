// What an operator may set until restart: the degree of a step, and the rate of a Throttle or of the
// whole pipeline. Each replica has its own.

import { el, number, rate, say } from "./dom.js";

const labels = { degrees: "Degree", rates: "Rate" };

// tuner is a line with such a number, and a button that sets it. owner.pipeline is what it is of.
export function tuner(owner, what, step, acts) {
  const label = labels[what];
  return el("p", { class: "tune soft", "data-what": what, "data-step": step, hidden: true }, el("span"), " ",
    el("button", { type: "button", class: "quiet", "aria-label": `${label} of ${step || "the pipeline"}`, click: (ev) => acts.run(ev.currentTarget, () => acts.tune(owner.pipeline, what, step)) }, label));
}

// showTuned shows the number as it is now, added up over all replicas.
export function showTuned(e, p) {
  const all = p[e.dataset.what].get(e.dataset.step);
  e.hidden = !all;
  if (!all) return;
  const sum = (name) => all.reduce((n, t) => n + t[name], 0);
  say(e.firstChild, e.dataset.what === "degrees" ? `${number(sum("busy"))} of ${number(sum("now"))} at work` : limit(sum("now")));
}

const limit = (n) => (n ? `at most ${rate(n)} a second` : "no limit of the rate");
const told = { degrees: (n) => `${number(n)} at a time`, rates: limit };

// settings lists what differs from the chain as it was built.
export function settings(p) {
  return Object.keys(labels).flatMap((what) => [...p[what]].flatMap(([step, all]) => all.filter((t) => t.now !== t.built).map((t) => ({
    what, step, ...t, title: `${labels[what]} of ${step || p.id}`, text: `An operator has set it to ${told[what](t.now)}, until restart. The chain has ${told[what](t.built)}.`,
    back: `Sets it back to ${told[what](t.built)}.` }))));
}

// question asks for a number of each replica.
export function question(what, step, all) {
  const name = step || "the pipeline";
  return what === "degrees"
    ? { title: `Degree of ${name}`, text: `How many elements it works on at a time, on each replica, until restart. The chain has ${all[0].built}. What is at work is finished.`, label: "At a time", now: all[0].now, least: 1, step: 1 }
    : { title: `Rate of ${name}`, text: `How many ${step ? "elements pass it" : "records it starts"} in a second, on each replica, until restart. 0 is no limit.`, label: "A second", now: all[0].now, least: 0, step: "any" };
}

// body is the request that sets a number, for who has seen the one that it is now.
export const body = (what, t, n) => (what === "degrees" ? { step: t.step, seen: t.now, degree: n } : { step: t.step, seen: t.now, perSecond: n });
