// The API: every request, the token, and what went wrong with one.

const key = "laneway-token";

export const token = {
  get: () => sessionStorage.getItem(key) || "",
  set: (t) => (t ? sessionStorage.setItem(key, t) : sessionStorage.removeItem(key)),
};

// Refused is an answer that is not 200.
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token.get()) headers.Authorization = "Bearer " + token.get();
  const answer = await fetch("/v1" + path, { ...options, headers, redirect: "error", signal: AbortSignal.timeout(10000) });
  const body = await answer.json();
  if (!answer.ok) throw new Refused(answer.status, body.detail || body.title);
  return body;
}

export const get = (path) => ask(path);

export const post = (path, body) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const pipeline = (id, rest) => "/pipelines/" + encodeURIComponent(id) + rest;
