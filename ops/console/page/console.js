// The page: it looks every two seconds while somebody sees it, and carries out what buttons ask.

import { $, place, say } from "./dom.js";
import { get, pipeline, post, Refused, token } from "./api.js";
import { look } from "./fleet.js";
import { signIn, sure, tell } from "./dialogs.js";
import { History } from "./chart.js";
import * as events from "./events.js";
import * as flow from "./flow.js";
import * as partitions from "./partitions.js";
import * as problems from "./problems.js";
import * as replicas from "./replicas.js";

const pause = 2000;
let process, last, timer, looking, again;
const history = new History();

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
  const found = problems.find(last, history);
  problems.show(found, last, acts);
  flow.show(last, history);
  replicas.show(last, acts);
  partitions.show(last, acts);
  const wrong = found.length === 1 ? "1 thing is wrong" : `${found.length} things are wrong`;
  say($("summary"), found.length ? wrong : "All is well");
  document.title = (found.length ? `(${found.length}) ` : "") + "Laneway";
  const you = process.you;
  say($("you"), you.name ? `${you.name} (${you.scope})` : "not signed in");
  say($("sign"), you.name ? "Sign out" : "Sign in");
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

function report(text, refused) {
  if (text == null) return;
  $("result").hidden = !text;
  $("result").classList.toggle("error", refused);
  say($("result"), refused ? "Refused: " + text : text);
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
  async skip(h) {
    if (!(await needed())) return "";
    const range = await sure(`Skip ${place(h)}@${h.offset}?`, h.skip, "Skip", { range: h.choose && h });
    if (!range) return "";
    return (await post(pipeline(h.pipeline, "/skip"), { halt: h.id, ...range }, h.at)).text;
  },
  async record(h) {
    if (!(await needed())) return;
    const r = await get(pipeline(h.pipeline, "/record?halt=" + encodeURIComponent(h.id)), h.at);
    await tell(`${place(h)}@${h.offset}`, r.text + (r.truncated ? "\n(cut)" : ""));
  },
  async explain(id, q) {
    const e = await get(pipeline(id, `/partitions/${encodeURIComponent(q.topic)}/${q.partition}` + (q.source ? "?source=" + encodeURIComponent(q.source) : "")), q.at);
    await tell(place(q), e.text);
  },
  async pause(id, q) {
    if (!(await needed())) return "";
    const where = place(q);
    const chosen = await sure(`Pause ${where}?`, `Nothing more is read of ${where} until Resume. What was read is finished.`, "Pause", { ends: true });
    if (!chosen) return "";
    return (await post(pipeline(id, "/pause"), { ...chosen, source: q.source, topic: q.topic, partition: q.partition, epoch: q.epoch }, q.at)).text;
  },
  async park(id, q) {
    if (!(await needed())) return "";
    const where = place(q);
    const chosen = await sure(`Park a key of ${where}?`, "Records of the key wait until Resume. All other keys go on.", "Park", { key: true, ends: true });
    if (!chosen) return "";
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
$("drain").addEventListener("click", (ev) => acts.run(ev.currentTarget, () => acts.drain(last.replicas.find((r) => r.self))));
$("filter").addEventListener("input", () => last && partitions.show(last, acts));
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
refresh();
