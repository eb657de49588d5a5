// Package adminapi is the client of package admin. A Client watches and operates one process, a
// Fleet all replicas of a worker at once. The types are the bodies of the API, as openapi.json
// describes them.
//
//	fleet, err := adminapi.Find(ctx, adminapi.Config{At: []string{"billing-headless:7070"}, Token: token})
//	for _, a := range fleet.Ask(ctx, (*adminapi.Client).Halts) { … }
package adminapi
