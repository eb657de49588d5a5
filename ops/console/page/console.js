// The page: it looks every two seconds while somebody sees it, and carries out what buttons ask.

import { $, number, place, say, tag } from "./dom.js";
import { get, pipeline, post, Refused, token } from "./api.js";
import { look } from "./fleet.js";
import { signIn, sure, tell } from "./dialogs.js";
import * as events from "./events.js";
import * as flow from "./flow.js";
import * as history from "./history.js";
import * as keys from "./keys.js";
import { resumeMany } from "./many.js";
import * as partitions from "./partitions.js";
import * as pauses from "./pauses.js";
import * as problems from "./problems.js";
import * as replicas from "./replicas.js";
import * as tune from "./tune.js";

const pause = 2000;
let process, last, timer, looking, again, reported;

// refresh looks once at a time, and once more if it was asked to meanwhile.
async function refresh() {
  again = Boolean(looking);
  if (looking) return;
  looking = true;
  clearTimeout(timer);
  try {
    last = await look();
    process = last.self;
    history.add(last);
    events.show(last.several);
    show();
    $("away").hidden = true;
  } catch (err) {
    if (err instanceof Refused) {
      if (err.status === 401) token.set("");
      say($("away"), err.message);
    } else {
      say($("away"), `The worker does not answer: ${err.message}. What you see is how things were before.`);
    }
    $("away").hidden = false;
  }
  looking = false;
  timer = setTimeout(refresh, again ? 0 : pause);
}

function show() {
  const found = problems.find(last, history.grows);
  problems.show(found, last, acts);
  flow.show(last, acts);
  replicas.show(last, acts);
  partitions.show(last, acts);
  const held = found.filter((p) => problems.byHand(p)).length;
  const bad = found.length - held;
  const told = [bad === 1 ? "1 thing is wrong" : bad ? `${bad} things are wrong` : "", held ? `${held} held by hand` : ""].filter(Boolean).join(", ");
  tag($("summary"), told || "All is well", bad ? "bad" : held ? "warn" : "good");
  document.title = (bad ? `(${bad}) ` : "") + "Laneway";
  const you = process.you;
  say($("you"), you.name ? `${you.name} (${you.scope})` : "not signed in");
  say($("sign"), you.name ? "Sign out" : "Sign in");
  $("pause-all").disabled = !pauses.open(last).length;
  $("drain").hidden = !process.drains || last.several;
}

// signed makes sure that there is a token; false: the caller would not give one.
async function signed(error) {
  const given = await signIn(error);
  if (!given) return false;
  token.set(given);
  try {
    process = await get("/process");
    if (process.you.name) {
      events.forget(); // they come again, with keys and stacks
      refresh();
      return true;
    }
    error = "This API does not know the token.";
  } catch (err) {
    error = err.message;
  }
  token.set("");
  return signed(error);
}

const needed = async () => process?.you.scope !== "none" || (await signed());

// report says what came of a button, for a minute.
function report(text, refused) {
  if (text == null) return;
  clearTimeout(reported);
  reported = setTimeout(() => ($("result").hidden = true), 60000);
  $("result").hidden = !text;
  $("result").classList.toggle("error", refused);
  say($("result"), refused ? "Refused: " + text : text);
}

// each asks for a change of each of a list, a few at a time. It throws how many were refused, and
// why the first was.
async function each(list, ask) {
  const left = [...list], answers = [], refused = [];
  const one = async () => {
    for (let x; (x = left.shift()); ) await ask(x).then((answer) => answers.push(answer), (err) => refused.push(err.message));
  };
  await Promise.all(Array.from({ length: 8 }, one));
  if (refused.length) throw new Error(list.length === 1 ? refused[0] : `${refused.length} of ${list.length}: ${refused[0]}`);
  return answers;
}

const acts = {
  // run carries out what a button asks, once at a time, and says what came of it.
  async run(button, act) {
    button.disabled = true;
    try {
      report(await act(), false);
    } catch (err) {
      report(err.message, true);
    } finally {
      button.disabled = false;
      refresh();
    }
  },
  previews: (at) => last.replicas.find((r) => r.at === at)?.process?.previews,
  async resume(h) {
    if (!(await needed())) return "";
    return (await post(pipeline(h.pipeline, "/resume"), { halt: h.id }, h.at)).text;
  },
  // resumeAll resumes halts or pauses, and says how many could not be.
  async resumeAll(halts) {
    if (!(await needed())) return "";
    const n = number(halts.length);
    const [does, done] = halts[0].by ? [`Reads ${n} partitions on from where they stopped.`, "partitions are read on"] : [`Retries ${n} records. Each that fails again stops as before.`, "records are retried"];
    if (!(await sure(`Resume all ${n}?`, does, "Resume all"))) return "";
    const refused = await resumeMany(halts);
    if (refused.length) throw new Error(`${number(refused.length)} of ${n}: ${refused[0]}`);
    return `${n} ${done}`;
  },
  async pauseAll() {
    if (!(await needed())) return "";
    const groups = pauses.open(last), what = pauses.counted(groups);
    const chosen = await sure(`Pause ${what}?`, `Nothing more is read of ${what} until Resume. What was read is finished.`, "Pause all", { ends: true });
    if (!chosen) return "";
    return pauses.pauseAll(groups, chosen.until);
  },
  // tune asks for a degree or a rate, and sets it on all replicas.
  async tune(p, what, step) {
    if (!(await needed())) return "";
    const all = p[what].get(step), ask = tune.question(what, step, all);
    const chosen = await sure(ask.title, ask.text, "Set", { number: ask });
    if (!chosen) return "";
    return (await each(all, (t) => post(pipeline(p.id, what === "degrees" ? "/degree" : "/rate"), tune.body(what, t, chosen.number), t.at)))[0].text;
  },
  async setBack(id, s) {
    if (!(await needed())) return "";
    return (await post(pipeline(id, s.what === "degrees" ? "/degree" : "/rate"), tune.body(s.what, s, s.built), s.at)).text;
  },
  async skip(h) {
    if (!(await needed())) return "";
    const range = await sure(`Skip ${place(h)}@${h.offset}?`, h.skip, "Skip", { range: h.choose && h });
    if (!range) return "";
    return (await post(pipeline(h.pipeline, "/skip"), { halt: h.id, ...range }, h.at)).text;
  },
  async record(h) {
    if (!(await needed())) return;
    const r = await get(pipeline(h.pipeline, "/record?halt=" + encodeURIComponent(h.id)), h.at);
    $("keys").hidden = true;
    await tell(`${place(h)}@${h.offset}`, r.text + (r.truncated ? "\n(cut)" : ""));
  },
  async explain(id, q) {
    const one = pipeline(id, `/partitions/${encodeURIComponent(q.topic)}/${q.partition}`), source = q.source ? "?source=" + encodeURIComponent(q.source) : "";
    const [e, lanes] = await Promise.all([get(one + source, q.at), get(one + "/lanes" + source, q.at)]);
    const known = last.partitions.get(`${id} ${place(q)} ${q.at}`); // q may be a halt
    let parked;
    keys.show(lanes, process.you.scope !== "none", process.you.scope === "operate" && known && ((l) => {
      parked = l;
      $("telling").close();
    }));
    await tell(place(q), e.text);
    if (parked) return acts.park(id, known, parked);
  },
  async pause(id, q) {
    if (!(await needed())) return "";
    const where = place(q);
    const chosen = await sure(`Pause ${where}?`, `Nothing more is read of ${where} until Resume. What was read is finished.`, "Pause", { ends: true });
    if (!chosen) return "";
    return (await post(pipeline(id, "/pause"), { ...chosen, source: q.source, topic: q.topic, partition: q.partition, epoch: q.epoch }, q.at)).text;
  },
  // park asks for a key, or is given that of a lane.
  async park(id, q, lane) {
    if (!(await needed())) return "";
    const where = place(q);
    const title = lane ? `Park the key ${lane.key} of ${where}?` : `Park a key of ${where}?`;
    const chosen = await sure(title, "Records of the key wait until Resume. All other keys continue.", "Park", { key: !lane, ends: true });
    if (!chosen) return "";
    if (lane) chosen.keyBase64 = lane.keyBase64;
    return (await post(pipeline(id, "/park"), { ...chosen, source: q.source, topic: q.topic, partition: q.partition, epoch: q.epoch }, q.at)).text;
  },
  async drain(r) {
    if (!(await needed())) return;
    const which = last.several ? r.name : "the process";
    if (!(await sure(`Drain and end ${which}?`, "All its pipelines finish what has started, commit, and the process ends, as after SIGTERM.", "Drain"))) return;
    return (await post("/drain", { instance: r.process.instance }, r.at)).text;
  },
};

$("sign").addEventListener("click", async () => {
  if (token.get()) {
    token.set("");
    events.forget();
  } else {
    await signed();
  }
  refresh();
});
$("pause-all").addEventListener("click", (ev) => acts.run(ev.currentTarget, acts.pauseAll));
$("drain").addEventListener("click", (ev) => acts.run(ev.currentTarget, () => acts.drain(last.replicas.find((r) => r.self))));
$("filter").addEventListener("input", () => last && partitions.show(last, acts));
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
refresh();
