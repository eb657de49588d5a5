// The hottest and the oldest keys of a partition, below its explanation.

import { $, ago, el, number, say } from "./dom.js";

// show lists keys. park is nil, or parks the key of a lane.
export function show(lanes, signedIn, park) {
  $("keys").hidden = lanes.total === 0;
  const some = lanes.lanes.length < lanes.total ? `${number(lanes.lanes.length)} of ${number(lanes.total)}: the hottest and the oldest` : number(lanes.total);
  say($("keys-title"), `Keys with unfinished records: ${some}`);
  $("keys-hidden").hidden = signedIn;
  $("keys-rows").replaceChildren(...lanes.lanes.map((l) => row(l, signedIn, park)));
}

function row(l, signedIn, park) {
  const name = l.keyless ? "without a key" : l.key || (signedIn ? "empty key" : "hidden");
  const cell = (label, kind, ...what) => el("td", { class: kind, "data-label": label }, ...what);
  return el("tr", {},
    el("th", { scope: "row" }, l.key ? name : el("span", { class: "soft" }, name)),
    cell("Records", "number", number(l.records)), cell("From offset", "number", String(l.offset)),
    cell("The first of them", "", l.why, el("div", { class: "soft" }, `read ${ago(l.delivered)} ago` + (l.error ? ": " + l.error : ""))),
    el("td", { class: "actions" }, park && l.keyBase64 && l.cause !== "park"
      ? el("button", { type: "button", class: "quiet", "aria-label": "Park " + name, click: () => park(l) }, "Park") : null));
}
