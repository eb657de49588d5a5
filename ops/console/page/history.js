// What replicas have kept of the last 15 minutes, and which lags grow.

import { get, pipeline } from "./api.js";
import { span } from "./chart.js";
import { place } from "./dom.js";

const every = 5000; // milliseconds between samples

let kept = new Map(); // by process and pipeline: { next, samples }
const lags = new Map(); // by pipeline and partition

const keyOf = (id, instance) => id + "\n" + instance;

// ask asks a replica for what it has sampled since the last look.
export async function ask(id, r) {
  const key = keyOf(id, r.process.instance), before = kept.get(key) ?? { next: 0, samples: [] };
  const { samples, next } = await get(pipeline(id, "/history?after=" + before.next), r.at);
  const ahead = Date.now() - Date.parse(r.process.at); // of its clock
  const all = [...before.samples, ...samples.map((s) => ({ ...s, at: Date.parse(s.at) + ahead }))];
  kept.set(key, { next, samples: all.filter((s) => Date.now() - s.at < span) });
}

// of returns the points of a number, added up over the replicas of a pipeline at the times of one.
export function of(p, name) {
  const [one, ...others] = p.members.map((m) => kept.get(keyOf(p.id, m.instance))?.samples ?? []).sort((a, b) => b.length - a.length);
  return one.flatMap((s) => {
    const values = [s, ...others.map((o) => near(o, s.at))].map((s) => s?.[name]).filter((v) => v != null);
    return values.length ? { at: s.at, value: values.reduce((a, b) => a + b) } : [];
  });
}

// near returns the sample of about that time.
const near = (samples, at) => samples.findLast((s) => Math.abs(s.at - at) < every);

// add notes the lags of a look, and forgets processes that are gone.
export function add(look, at = Date.now()) {
  const there = new Set(look.pipelines.flatMap((p) => p.members.map((m) => keyOf(p.id, m.instance))));
  kept = new Map([...kept].filter(([key]) => there.has(key)));
  for (const p of look.pipelines) for (const q of p.partitions) addLag(p.id, q, at);
}

// grows reports whether the lag has risen at every look for so long.
export function grows(id, q, patience) {
  const l = lags.get(`${id} ${place(q)}`);
  return l != null && q.activeLag > 0 && l.at - l.since >= patience;
}

function addLag(id, q, at) {
  const key = `${id} ${place(q)}`, l = lags.get(key), lag = q.activeLag;
  if (!l || lag == null || lag <= l.lag) lags.set(key, { lag: lag ?? 0, since: at, at });
  else lags.set(key, { lag, since: l.since, at });
}
