// What asks and tells: sign in, are you sure, and longer texts.

import { $, say } from "./dom.js";

// shown opens a dialog and resolves to how it was closed; "" is Cancel or Escape.
function shown(dialog) {
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
    dialog.showModal();
  });
}

// signIn resolves to a token, or "".
export async function signIn(error = "") {
  $("token").value = "";
  say($("signing-error"), error);
  const how = await shown($("signing"));
  const given = $("token").value.trim();
  $("token").value = "";
  return how === "ok" ? given : "";
}

// sure asks before what cannot be undone. It resolves to null, or to what was chosen: offsets of a
// range, a key, when it ends by itself, and a number.
export async function sure(title, text, verb, { range, key, ends, number } = {}) {
  say($("asking-title"), title);
  say($("asking-text"), text);
  say($("asking-ok"), verb);
  $("asking-range").hidden = !range;
  for (const [id, is] of [["from", range?.offset], ["to", range?.last]]) {
    const input = $(id);
    input.required = Boolean(range);
    input.min = range?.offset ?? "";
    input.max = range?.last ?? "";
    input.value = is ?? "";
  }
  $("asking-key").hidden = !key;
  $("key").required = Boolean(key);
  $("key").value = "";
  $("asking-number").hidden = !number;
  say($("number-label"), number?.label);
  const n = $("number");
  n.required = Boolean(number);
  n.min = number?.least ?? "";
  n.step = number?.step ?? "any";
  n.value = number?.now ?? "";
  $("asking-for").hidden = !ends;
  $("for").value = "";
  if ((await shown($("asking"))) !== "ok") return null;
  const chosen = {};
  if (range) Object.assign(chosen, { from: $("from").valueAsNumber, to: $("to").valueAsNumber });
  if (number) chosen.number = n.valueAsNumber;
  if (key) chosen.key = $("key").value;
  if (ends && $("for").value) chosen.until = new Date(Date.now() + 60000 * $("for").value).toISOString();
  return chosen;
}

export function tell(title, text) {
  say($("telling-title"), title);
  say($("telling-text"), text);
  return shown($("telling"));
}
