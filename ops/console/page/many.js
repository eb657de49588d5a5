// The resume of many halts, with as few requests as they need.

import { pipeline, post } from "./api.js";

const most = 1000; // halts of a request
const patience = 30000; // for an answer

// resumeMany asks for all, and returns why those were refused that were.
export async function resumeMany(halts) {
  const together = Map.groupBy(halts, (h) => JSON.stringify([h.at, h.pipeline]));
  return (await Promise.all([...together.values()].map(inTurn))).flat();
}

// inTurn asks one replica for one thing at a time, so that no request times out behind others.
async function inTurn(halts) {
  const refused = [];
  for (let i = 0; i < halts.length; i += most) refused.push(...(await resume(halts.slice(i, i + most))));
  return refused;
}

async function resume(batch) {
  try {
    const { results } = await post(pipeline(batch[0].pipeline, "/resume-many"), { halts: batch.map((h) => h.id) }, batch[0].at, patience);
    return results.filter((r) => r.status !== 200).map((r) => r.text);
  } catch (err) {
    return batch.map(() => err.message);
  }
}
