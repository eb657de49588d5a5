// The chain of a pipeline as a picture: a box per stage, a row per branch and per source of a Merge.

import { el, keep, number, say, seconds } from "./dom.js";

// chainOf makes the picture of a topology.
export function chainOf(t, name) {
  const { boxes, edges } = layout(t);
  const columns = Map.groupBy(boxes, (b) => b.column); // each has the main line on top
  const list = el("div", { class: "columns", role: "list" }, ...[...columns.keys()].sort((a, b) => a - b).map((n) =>
    el("div", { class: "column" }, ...columns.get(n).sort((a, b) => depth(a) - depth(b)).map(box))));
  const picture = el("div", { class: "chain", tabindex: "0", role: "group", "aria-label": "The chain of " + name }, svg("svg", { "aria-hidden": "true" }), list);
  new ResizeObserver(() => connect(picture, edges)).observe(list);
  return picture;
}

// measure shows what the steps do, and what stands at them.
export function measure(picture, work, halts) {
  for (const e of picture.querySelectorAll(".step")) {
    const w = work.get(e.dataset.step);
    say(e.querySelector(".work"), w ? `${rate(w.perSecond)}/s` + (w.median == null ? "" : ` · ${seconds(w.median)}, 99 % within ${seconds(w.slow)}`) : "");
    say(e.querySelector(".failing"), w?.failedPerSecond > 0 ? `${rate(w.failedPerSecond)}/s fail` : "");
    const here = halts.filter((h) => !h.by && h.step === e.dataset.step);
    const of = (scope) => here.filter((h) => (scope === "partition") === (h.scope === "partition")).length;
    keep(e.querySelector(".stands"), [["halted", of("partition")], ["parked", of("lane")]].filter(([, n]) => n), ([word]) => word,
      ([word]) => el("span", { class: "tag bad" }), (tag, [word, n]) => say(tag, `${number(n)} ${word} here`));
  }
}

const rate = (n) => (n >= 10 ? number(Math.round(n)) : n.toLocaleString("en", { maximumSignificantDigits: 2 }));

const depth = (b) => b.stage?.branch.length ?? 0;

// layout puts sources and stages into columns, and finds what passes elements to what.
function layout(t) {
  const lineOf = (branch) => "branch " + JSON.stringify(branch);
  const branches = new Set(t.stages.flatMap((s) => [s.branch, ...s.steps.map((st) => st.branch)]).map(lineOf));
  const sources = t.sources.length ? t.sources : [{ id: "", name: t.source }];
  const latest = new Map(); // by line: the box, and the step if it is a fork
  const boxes = sources.map((s) => {
    const b = { source: s, column: 1 };
    latest.set("source " + s.id, { box: b });
    return b;
  });
  const lines = (branch, of) => (branch.length ? [lineOf(branch)] : sources.filter((s) => !of.length || of.includes(s.id)).map((s) => "source " + s.id));
  const edges = [];
  for (const stage of t.stages) {
    const b = { stage, column: 1 };
    const at = (branch, of, step) => {
      for (const line of lines(branch, of)) {
        const up = latest.get(line);
        if (up && up.box !== b && !edges.some((e) => e.from === up.box && e.to === b)) {
          edges.push({ from: up.box, fork: up.fork, to: b });
          b.column = Math.max(b.column, up.box.column + 1);
        }
        latest.set(line, { box: b });
      }
      if (step && branches.has(lineOf([...branch, step.name]))) latest.set(lineOf([...branch, step.name]), { box: b, fork: step.name });
    };
    for (const step of stage.steps) at(step.branch, step.sources, step);
    at(stage.branch, stage.sources);
    boxes.push(b);
  }
  return { boxes, edges };
}

function box(b) {
  b.element = b.source ? el("div", { class: "box source", role: "listitem" }, el("p", {}, b.source.id ? el("strong", {}, b.source.id) : null, b.source.id ? ": " : null, b.source.name)) : stageBox(b.stage);
  return b.element;
}

function stageBox(s) {
  const of = [s.branch.length ? "branch " + s.branch.at(-1) : "", s.sources.length ? "of " + s.sources.join(", ") : ""].filter(Boolean).join(" · ");
  const fates = s.steps.filter((st) => st.onError).map((st) => st.onError);
  const same = fates.length > 1 && fates.every((f) => f === fates[0]); // told once
  return el("div", { class: s.branch.length ? "box of-branch" : "box", role: "listitem" },
    el("p", { class: "soft how" }, of ? el("strong", {}, of) : null, of ? " · " : null, `${s.degree}; order kept: ${s.order}`),
    ...s.steps.map((st) => step(st, s, !same)),
    same ? el("p", { class: "soft fate" }, "on error in any of them: " + fates[0]) : null,
    s.commit ? el("p", { class: "commit" }, s.commit) : null);
}

function step(st, stage, alone) {
  const plain = st.name.toLowerCase() === st.word.toLowerCase();
  const own = st.sources.length && st.sources.length !== stage.sources.length ? "of " + st.sources.join(", ") + ": " : "";
  return el("div", { class: "step" + (st.branch.length > stage.branch.length ? " inside" : ""), "data-step": st.name },
    el("p", {}, own, el("strong", {}, plain ? st.word : st.name), plain ? null : el("span", { class: "soft" }, " " + st.word), " ", el("span", { class: "stands" })),
    el("p", { class: "numbers" }, el("span", { class: "work" }), " ", el("span", { class: "failing error" })),
    st.detail ? el("p", { class: "soft" }, st.detail) : null,
    alone && st.onError ? el("p", { class: "soft" }, "on error: " + st.onError) : null);
}

function svg(name, attrs) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [k, v] of Object.entries(attrs)) e.setAttribute(k, v);
  return e;
}

// connect draws the arrows between the boxes, as they lie now.
function connect(picture, edges) {
  const lines = picture.querySelector("svg");
  const list = picture.querySelector(".columns");
  lines.setAttribute("width", list.scrollWidth);
  lines.setAttribute("height", list.scrollHeight);
  lines.replaceChildren(...edges.flatMap(({ from, fork, to }) => {
    const a = from.element, b = to.element;
    const row = fork && [...a.querySelectorAll(".step")].find((s) => s.dataset.step === fork);
    const x1 = a.offsetLeft + a.offsetWidth, x2 = b.offsetLeft;
    const y1 = a.offsetTop + (row ? row.offsetTop + Math.min(row.offsetHeight / 2, line) : middle(a));
    const y2 = b.offsetTop + middle(b), bend = (x2 - x1) / 2;
    return [svg("path", { d: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 7} ${y2}` }), svg("path", { class: "head", d: `M${x2 - 8} ${y2 - 4} L${x2 - 1} ${y2} L${x2 - 8} ${y2 + 4}Z` })];
  }));
}

// An arrow meets a box at its first line.
const line = 18;
const middle = (e) => Math.min(e.offsetHeight / 2, line);
