// The resume of many halts, with as few requests as they need.

import { pipeline, post } from "./api.js";

const most = 1000; // halts of a request

// resumeMany asks for all, and returns why those were refused that were.
export async function resumeMany(halts) {
  const answers = await Promise.all(batches(halts).map(resume));
  return answers.flat().filter((r) => r.status !== 200).map((r) => r.text);
}

// batches puts halts of one pipeline at one replica together.
function batches(halts) {
  const together = Map.groupBy(halts, (h) => JSON.stringify([h.at, h.pipeline]));
  return [...together.values()].flatMap((all) => Array.from({ length: Math.ceil(all.length / most) }, (_, i) => all.slice(i * most, (i + 1) * most)));
}

async function resume(batch) {
  try {
    return (await post(pipeline(batch[0].pipeline, "/resume-many"), { halts: batch.map((h) => h.id) }, batch[0].at)).results;
  } catch (err) {
    return batch.map(() => ({ text: err.message }));
  }
}
