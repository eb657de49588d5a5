// Elements. Text of workers goes into text nodes alone, so none of it is ever HTML.

export const $ = (id) => document.getElementById(id);

// el makes an element with attributes and children; a func is a listener of that event.
export function el(name, attrs = {}, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attrs)) {
    if (typeof v === "function") e.addEventListener(k, v);
    else if (v === true) e.setAttribute(k, "");
    else if (v !== false && v != null) e.setAttribute(k, v);
  }
  e.append(...children.filter((c) => c != null));
  return e;
}

// say sets a text where it has changed, so that selections and screen readers are left alone.
export function say(e, text) {
  text = String(text ?? "");
  if (e.textContent !== text) e.textContent = text;
}

// keep makes the children of parent those of items, in order. What stays keeps its element, and
// with it the focus.
export function keep(parent, items, id, make, update) {
  const old = new Map([...parent.children].map((c) => [c.dataset.id, c]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const name = String(id(item));
    let e = old.get(name);
    if (e) {
      old.delete(name);
    } else {
      e = make(item);
      e.dataset.id = name;
    }
    update?.(e, item);
    if (e === at) at = at.nextElementSibling;
    else parent.insertBefore(e, at);
  }
  for (const e of old.values()) e.remove();
}

const names = { halted: "bad", parked: "bad", error: "bad", failed: "bad", stopped: "bad", paused: "warn", "parked by hand": "warn", warn: "warn", blocked: "warn", unreadable: "bad", "not ready": "warn", lagging: "warn", open: "good", ready: "good", answers: "good", silent: "bad" };

// tag makes a word a label; its color only stresses what the word says.
export function tag(e, word, color = names[word] || "info") {
  say(e, word);
  e.className = "tag " + color;
  return e;
}

export const number = (n) => (n == null ? "–" : n.toLocaleString("en"));

export function ago(time, now = Date.now()) {
  const s = Math.max(0, Math.round((now - new Date(time)) / 1000));
  if (s < 90) return s + " s";
  if (s < 5400) return Math.round(s / 60) + " min";
  if (s < 129600) return Math.round(s / 3600) + " h";
  return Math.round(s / 86400) + " days";
}

// clock is a time of day, with the date if that is another one.
export function clock(time) {
  const t = new Date(time);
  const day = t.toDateString() === new Date().toDateString() ? "" : t.toLocaleDateString("en", { day: "numeric", month: "short" }) + ", ";
  return day + t.toTimeString().slice(0, 8);
}

// seconds is a latency in the unit that suits it.
export function seconds(s) {
  const [n, unit] = s >= 1 ? [s, "s"] : s >= 1e-3 ? [1e3 * s, "ms"] : [1e6 * s, "µs"];
  return n.toLocaleString("en", { maximumSignificantDigits: 2 }) + " " + unit;
}

// place names the partition of an answer, as logs do; in a Merge its source stands before it.
export const place = (q) => `${q.source ? q.source + "/" : ""}${q.topic}[${q.partition}]`;
