package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sourcegraph/conc/iter"
	"github.com/spf13/cobra"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

func explainCommand() *cobra.Command {
	var r remote
	var o output
	var pipeline string
	var keys bool
	c := &cobra.Command{
		Use:   "explain [PARTITION]...",
		Short: "Say why a partition does not move, and what to do",
		Long: `Says why partitions do not move: the record and the key at the watermark, the step, its attempt and
error, what waits behind it and, with a token, the stack of the running handler. Without arguments
it explains each partition that status shows as stuck.

With --keys it also lists the hottest and the oldest keys of each partition: how many records of the
key are unfinished, and what the first of them waits for. It shows keys only with a token.

Write a partition as in logs, 'orders[3]', or as orders/3, which no shell expands. In a Merge its
source comes first: eu/orders/3.`,
		Example: `  laneway explain
  laneway explain orders/3 --keys`,
		RunE: func(c *cobra.Command, args []string) error {
			places, err := parsePlaces(args)
			if err != nil {
				return err
			}
			f, err := r.find(c.Context())
			if err != nil {
				return err
			}
			defer f.Close()
			views, incomplete := look(c.Context(), f, pipeline)
			es, err := explain(c.Context(), views, places, keys)
			if o == asJSON {
				err = errors.Join(writeJSON(c.OutOrStdout(), struct {
					Replicas     []replicaJSON `json:"replicas"`
					Explanations []explained   `json:"explanations"`
				}{replicasJSON(views), append([]explained{}, es...)}), err)
			} else {
				writeExplained(c.OutOrStdout(), es, halts(views))
				if len(es) == 0 && err == nil && incomplete == nil {
					fmt.Fprintln(c.OutOrStdout(), "Nothing is stuck.")
				}
			}
			return errors.Join(err, incomplete)
		},
	}
	r.flags(c.Flags())
	r.completeWith(c, places)
	o.flag(c)
	c.Flags().StringVar(&pipeline, "pipeline", "", "only this `pipeline`")
	c.Flags().BoolVar(&keys, "keys", false, "list the hottest and the oldest keys of each partition")
	return c
}

// explained is an explanation and who has given it.
type explained struct {
	At       string `json:"replica"`
	Pipeline string `json:"pipeline"`
	adminapi.Explanation
	Keys *adminapi.Lanes `json:"keys,omitempty"`

	err error // the replica has not answered
}

func (e explained) place() place { return place{e.Source, e.Topic, e.Partition} }

// explain asks the owners of the given partitions, or of all stuck partitions.
func explain(ctx context.Context, views []view, places []place, keys bool) (es []explained, err error) {
	found, all := map[place]bool{}, []owned{}
	for _, p := range partitions(views) {
		if slices.Contains(places, p.place()) || len(places) == 0 && p.stuck() {
			found[p.place()] = true
			all = append(all, p)
		}
	}
	answers := iter.Mapper[owned, explained]{MaxGoroutines: atOnce}.Map(all, func(p *owned) explained {
		is := explained{At: p.view.At, Pipeline: p.pipeline}
		if is.Explanation, is.err = p.view.replica.Explain(ctx, p.pipeline, p.Partition); keys && is.err == nil {
			is.Keys = &adminapi.Lanes{}
			*is.Keys, is.err = p.view.replica.Lanes(ctx, p.pipeline, p.Partition)
		}
		return is
	})
	for i, e := range answers {
		if e.err != nil {
			err = errors.Join(err, unheard(all[i].view.replica, e.err))
			continue
		}
		es = append(es, e)
	}
	for _, p := range places {
		if !found[p] {
			err = errors.Join(err, fmt.Errorf("%v: no replica that answers has it; another member of the group may, or nobody does", p))
		}
	}
	return es, err
}

func writeExplained(w io.Writer, es []explained, hs []halted) {
	size := shortest(hs)
	for i, e := range es {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if i == explainedMost {
			fmt.Fprintf(w, "%d more are stuck: laneway status lists them, laneway explain PARTITION explains one.\n", len(es)-i)
			return
		}
		first, rest, more := strings.Cut(printable(e.Text), "\n")
		fmt.Fprintln(w, first)
		fmt.Fprintf(w, "  %-8s %s, pipeline %s\n", "at", e.At, printable(e.Pipeline))
		if more {
			fmt.Fprintln(w, rest)
		}
		own := slices.DeleteFunc(slices.Clone(hs), func(h halted) bool {
			return h.At != e.At || h.Pipeline != e.Pipeline || h.place() != e.place()
		})
		for _, h := range own[:min(len(own), nextMost)] {
			fmt.Fprintf(w, "  %-8s %s\n", "next", h.next(size))
		}
		if more := len(own) - nextMost; more > 0 {
			fmt.Fprintf(w, "  %-8s laneway halts lists %d more of it\n", "next", more)
		}
		if e.Keys != nil {
			writeKeys(w, *e.Keys)
		}
	}
}

// nextMost is how many halts of a partition are explained.
const nextMost = 3

// explainedMost is how many partitions are explained to a person at once.
const explainedMost = 20

// next is the commands that end a halt.
func (h halted) next(size int) string {
	if h.paused() {
		return "laneway unpause " + h.place().slashed()
	}
	if h.byHand() {
		return "laneway resume " + h.ID[:size]
	}
	return fmt.Sprintf("laneway resume %[1]s, or laneway skip %[1]s; laneway halts %[1]s says what they do", h.ID[:size])
}
