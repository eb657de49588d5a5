package main

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

func parkCommand() *cobra.Command {
	p := &pause{}
	var raw bool
	c := &cobra.Command{
		Use:   "park PARTITION KEY...",
		Short: "Stop keys of a partition, while all others continue",
		Long: `Stops keys of a partition. Started records of a key are finished; later ones wait, in order. All
other keys continue. A park ends with laneway resume, or after the time given with --for. It
survives rebalances, restarts and deploys.

Write a partition as in logs, 'orders[3]', or as orders/3, which no shell expands. In a Merge its
source comes first: eu/orders/3. Give a key that is not text in base64, with --base64.`,
		Example: `  laneway park orders/3 customer-7
  laneway park orders/3 customer-7 --for 30m
  laneway park orders/3 AAAAAAAAABc= --base64`,
		Args: arguments(2, -1, "a partition and keys of it"),
		RunE: func(c *cobra.Command, args []string) error {
			if raw {
				for _, key := range args[1:] {
					if _, err := base64.StdEncoding.DecodeString(key); err != nil {
						return usage("%q is not base64: %w", key, err)
					}
				}
			}
			return p.run(c, args[:1], func(views []view, places []place) ([]change, error) { return p.parks(views, places, args[1:], raw) })
		},
	}
	p.flags(c)
	p.limited(c)
	c.Flags().BoolVar(&raw, "base64", false, "the keys are in base64")
	return c
}

var errLasts = usage("--for must be longer than 0")

// parks parks keys of partitions, in the epochs that the replicas have just reported.
func (p *pause) parks(views []view, places []place, keys []string, raw bool) (todo []change, err error) {
	var found []place
	for _, q := range partitions(views) {
		if q.place() != places[0] {
			continue
		}
		found = append(found, q.place())
		for _, key := range keys {
			body := adminapi.Park{Hold: p.hold(q), Key: key}
			if raw {
				body.Key, body.KeyBase64 = "", key
			}
			todo = append(todo, change{Verb: "park", What: fmt.Sprintf("%q of %v", key, q.place()), At: q.view.At, Pipeline: q.pipeline,
				Effect: "Its records wait; all other keys continue.",
				make: func(ctx context.Context) (adminapi.Done, error) {
					return q.view.replica.Park(ctx, q.pipeline, body)
				}})
		}
	}
	return todo, missing(places, found, "no replica that answers has it")
}
