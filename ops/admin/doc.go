// Package admin lets people and tools see and operate pipelines over HTTP: why a partition does not
// move, what is halted, what happened lately; and Resume, Skip, Pause, Park, a degree, a rate and a
// drain.
//
//	stream.Supervise(p).Admin(admin.At("127.0.0.1:7070")).Run(ctx)
//
// The API is JSON under /v1/. Its document is served at /v1/openapi.json, and is openapi.json in
// this folder. Package console adds a page.
//
// Who may do what:
//
//   - Without a token, on loopback: read everything except keys, stacks and records.
//   - With a token or client certificate of scope Read: read everything.
//   - With scope Operate: also make changes.
//
// Send a token in the header Authorization, as "Bearer" and the token, never in a URL. After five
// wrong tokens from one address within a second, its further ones are refused unread (429) for the
// rest of the second.
//
// Every change names what its caller saw: the halt, the epoch, or the degree or rate. It is refused
// (409) if that is not how things are any more. Each one is logged with who, what, when and from
// where, and is kept in the last events.
//
// With Peers, any replica answers for all of them.
//
// Beyond loopback it needs TLS, or InsecurePlaintext. A request with an unexpected Host is always
// refused (421), and so is a change from a page of another origin (403). Until somebody asks, the
// API costs the records nothing; a Server reads counters each 5 seconds, for the history.
package admin
