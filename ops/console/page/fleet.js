// The fleet: the process that serves the page and its peers, made one look.

import { get, pipeline } from "./api.js";
import { place } from "./dom.js";
import * as events from "./events.js";
import * as history from "./history.js";

// look asks all replicas at once. One that does not answer is in it with an error.
export async function look() {
  const { replicas } = await get("/replicas");
  const several = replicas.length > 1;
  const all = await Promise.all(replicas.map((r) => one({ ...r, at: r.self ? "" : r.addr, name: r.addr || "this process" })));
  events.keepOf(all);
  const pipelines = together(all);
  const partitions = new Map(pipelines.flatMap((p) => p.partitions.map((q) => [`${p.id} ${place(q)} ${q.at}`, q])));
  return { several, self: all.find((r) => r.self).process, replicas: all, pipelines, partitions, halts: all.flatMap((r) => r.halts) };
}

async function one(r) {
  r.pipelines = [];
  r.halts = [];
  if (!r.process) return r;
  try {
    const asked = events.after(r.process.instance);
    const [list, halts, told] = await Promise.all([get("/pipelines", r.at), get("/halts", r.at), get("/events?after=" + asked, r.at)]);
    const parts = await Promise.all(list.pipelines.map((p) => get(pipeline(p.id, "/partitions"), r.at)));
    await Promise.all(list.pipelines.map((p) => history.ask(p.id, r)));
    r.pipelines = list.pipelines.map((p, i) => ({ ...p, partitions: parts[i].partitions.map((q) => ({ ...q, at: r.at, replica: r.name, instance: r.process.instance })) }));
    r.halts = halts.halts.map((h) => ({ ...h, at: r.at, replica: r.name }));
    events.add(told, r, asked);
  } catch (err) {
    if (r.self) throw err;
    r.process = null;
    r.error = err.message;
  }
  return r;
}

// together has each pipeline once, with what its replicas have of it.
function together(replicas) {
  const by = new Map();
  for (const r of replicas) {
    for (const p of r.pipelines) {
      const is = by.get(p.id) ?? { id: p.id, topology: p.topology, counters: { retrying: 0, postponed: 0, waiting: 0, overruns: 0 }, work: new Map(), degrees: new Map(), rates: new Map(), partitions: [], troubles: [], members: [] };
      by.set(p.id, is);
      for (const name in is.counters) is.counters[name] += p.counters[name];
      for (const step of p.topology.stages.flatMap((stage) => stage.steps)) if (step.work) is.work.set(step.name, both(is.work.get(step.name), step.work));
      for (const name of ["degrees", "rates"]) for (const t of p[name]) is[name].set(t.step, [...(is[name].get(t.step) ?? []), { ...t, at: r.at }]);
      is.partitions.push(...p.partitions);
      is.troubles.push(...p.troubles);
      is.members.push({ instance: r.process.instance, running: p.running, ready: p.ready, reason: p.reason, failed: p.failed, replica: r.name });
    }
  }
  return [...by.values()];
}

// both sums up what a step does in two processes. The latency of half the calls is that of the
// process which makes more of them.
function both(a, b) {
  if (!a) return b;
  const [more, less] = a.perSecond >= b.perSecond ? [a, b] : [b, a];
  return { perSecond: a.perSecond + b.perSecond, failedPerSecond: a.failedPerSecond + b.failedPerSecond, median: more.median ?? less.median,
    slow: more.slow == null || less.slow == null ? more.slow ?? less.slow : Math.max(a.slow, b.slow) };
}
