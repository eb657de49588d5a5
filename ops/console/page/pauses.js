// The pause of all partitions, with one request for each pipeline of a replica.

import { pipeline, post } from "./api.js";
import { clock, number, place } from "./dom.js";

const patience = 30000; // for an answer

// open lists the partitions that are not paused, by replica and pipeline.
export function open(look) {
  const name = (at, id, q) => JSON.stringify([at, id, place(q)]);
  const paused = new Set(look.halts.filter((h) => h.by && h.scope === "partition").map((h) => name(h.at, h.pipeline, h)));
  const all = look.pipelines.flatMap((p) => p.partitions.filter((q) => !paused.has(name(q.at, p.id, q))).map((q) => ({ id: p.id, at: q.at, q })));
  return [...Map.groupBy(all, ({ id, at }) => JSON.stringify([id, at])).values()];
}

// counted is how many partitions of which pipelines they are.
export function counted(groups) {
  const n = groups.flat().length;
  return `${number(n)} partition${n === 1 ? "" : "s"} of ${[...new Set(groups.map(([one]) => one.id))].join(", ")}`;
}

// pauseAll asks all replicas, and says what came of it. It throws how many were refused, and why
// the first was.
export async function pauseAll(groups, until) {
  const results = (await Promise.all(groups.map((group) => ask(group, until)))).flat();
  const refused = results.filter((r) => r.status !== 200);
  if (refused.length) throw new Error(`${number(refused.length)} of ${number(results.length)}: ${refused[0].text}`);
  if (results.length === 1) return results[0].text;
  return `${number(results.length)} partitions are paused until ${until ? clock(until) + " or " : ""}Resume; what was read before is finished`;
}

async function ask(group, until) {
  const [{ id, at }] = group;
  const partitions = group.map(({ q }) => ({ source: q.source, topic: q.topic, partition: q.partition, epoch: q.epoch }));
  try {
    return (await post(pipeline(id, "/pause-all"), { partitions, until }, at, patience)).results;
  } catch (err) {
    return group.map(() => ({ text: err.message }));
  }
}
