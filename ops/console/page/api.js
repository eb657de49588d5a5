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

// at is the address of a replica, or "" for the process that serves the page.
const under = (at) => "/v1" + (at ? "/replicas/" + encodeURIComponent(at) : "");

async function ask(at, path, { patience = 10000, ...options } = {}) {
  const headers = { ...options.headers };
  if (token.get()) headers.Authorization = "Bearer " + token.get();
  const answer = await fetch(under(at) + path, { ...options, headers, redirect: "error", signal: AbortSignal.timeout(patience) });
  const body = await answer.json();
  if (!answer.ok) throw new Refused(answer.status, body.detail || body.title);
  return body;
}

export const get = (path, at) => ask(at, path);

export const post = (path, body, at, patience) =>
  ask(at, path, { patience, method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const pipeline = (id, rest) => "/pipelines/" + encodeURIComponent(id) + rest;
