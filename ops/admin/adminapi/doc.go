// Package adminapi asks and operates Laneway workers over the API of package admin: one process
// with a Client, or all replicas of a worker at once with a Fleet. Its types are the bodies of the
// API, as openapi.json describes them.
//
//	fleet, err := adminapi.Find(ctx, adminapi.Config{At: []string{"billing-headless:7070"}, Token: token})
//	for _, a := range fleet.Ask(ctx, (*adminapi.Client).Halts) { … }
package adminapi
