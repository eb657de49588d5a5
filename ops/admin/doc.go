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
//   - Without a token, on loopback: read all but keys, stacks and records.
//   - With a token of scope Read, or such a client certificate: read everything.
//   - With one of scope Operate: everything.
//
// A token goes into the header Authorization, as "Bearer" and the token; never into a URL. After
// five wrong ones in a second from one address, more are refused unread (429) until the second is
// over.
//
// Every change names what its caller saw: the halt, the epoch, or the degree or rate. It is refused
// (409) if that is not how things are any more. Each one is logged with who, what, when and from
// where, and is kept in the last events.
//
// With Peers, any replica answers for all of them.
//
// Beyond loopback it needs TLS, or InsecurePlaintext. A request with a Host that is not expected is
// refused everywhere (421), and so is a write from a page of another origin (403). Nothing here
// touches the way of the records while nobody asks.
package admin
