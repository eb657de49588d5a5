package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// release is the command resume or skip.
type release struct {
	remote
	cluster
	output
	group    string
	verb     string
	dry      bool
	all      bool
	step     string
	from, to int64
	pipeline string
}

func resumeCommand() *cobra.Command {
	r := &release{verb: "resume", from: -1, to: -1}
	c := &cobra.Command{
		Use:   "resume ID... | --all",
		Short: "Retry the records of halts, or release a parked key",
		Long: `Retries the failed record of each halt and continues from there. Records above it that had finished
are not repeated. The ids are those of laneway halts, or their beginnings. If somebody has released
the halt, or the record has failed again since, the id is gone and nothing is changed.

With --all it resumes all halts and parks, except those that operators have made.

With --group it edits what a group without members has stored in Kafka: the next worker retries the
records. It reads the stored state again first, and changes nothing if the state has changed.`,
		Example: `  laneway resume 70d2e38d
  laneway resume --all --step charge -n    # shows what it would do
  laneway resume 17bc166b --group billing --brokers kafka:9092`,
		RunE: r.run,
	}
	c.Flags().BoolVar(&r.all, "all", false, "resume all that is halted or parked now")
	c.Flags().StringVar(&r.step, "step", "", "with --all: only what failed at this `step`")
	r.common(c)
	return c
}

func skipCommand() *cobra.Command {
	r := &release{verb: "skip"}
	c := &cobra.Command{
		Use:   "skip ID...",
		Short: "Give up the records of halts",
		Long: `Gives up the failed record of each halt: it counts as finished, and is never processed. Copy it first
if you need it. The ids are those of laneway halts, or their beginnings. If somebody has released the
halt, or the record has failed again since, the id is gone and nothing is changed.

A halt that covers several records needs --from and --to, which name the records to skip.

With --group it edits what a group without members has stored in Kafka. It reads the stored state
again first, and changes nothing if the state has changed.`,
		Example: `  laneway skip 70d2e38d -n    # shows what it would do
  laneway skip 70d2e38d`,
		RunE: r.run,
	}
	c.Flags().Int64Var(&r.from, "from", -1, "first `offset` to skip, for a halt that covers several records")
	c.Flags().Int64Var(&r.to, "to", -1, "last `offset` to skip")
	r.common(c)
	return c
}

func (r *release) common(c *cobra.Command) {
	r.remote.flags(c.Flags())
	r.remote.completeWith(c, haltIDs)
	r.cluster.authority = r.remote.authority
	r.cluster.flags(c.Flags())
	r.output.flag(c)
	c.Flags().StringVar(&r.group, "group", "", "instead of --at: the halts that this consumer `group` has stored in Kafka, as laneway inspect lists them; it must have no members")
	c.Flags().BoolVarP(&r.dry, "dry-run", "n", false, "show what would be done, and change nothing")
	c.Flags().StringVar(&r.pipeline, "pipeline", "", "only halts of this `pipeline`")
}

func (r *release) check(ids []string) error {
	switch {
	case r.all && len(ids) > 0:
		return usage("--all and ids exclude each other")
	case !r.all && len(ids) == 0:
		return usage("laneway %s needs the ids of halts: laneway halts lists them", r.verb)
	case r.step != "" && !r.all:
		return usage("--step needs --all")
	case (r.from < 0) != (r.to < 0):
		return usage("--from needs --to, and --to needs --from: they are the first and the last offset to skip")
	case r.from >= 0 && r.group != "":
		return usage("--from and --to cannot be used with --group: start a worker, and skip the records there")
	case r.group != "" && r.pipeline != "":
		return usage("--pipeline and --group exclude each other")
	case r.from >= 0 && len(ids) > 1:
		return usage("--from and --to are for one halt")
	}
	return nil
}

func (r *release) run(c *cobra.Command, ids []string) error {
	if err := r.check(ids); err != nil {
		return err
	}
	if r.group != "" {
		return r.runStored(c, ids)
	}
	f, err := r.find(c.Context())
	if err != nil {
		return err
	}
	defer f.Close()
	views, incomplete := look(c.Context(), f, r.pipeline)
	hs := halts(views)
	if r.all {
		hs = r.chosen(hs)
	} else if hs, err = pick(c.Context(), f, hs, ids); errors.Is(err, errUsage) {
		return err
	}
	made, refused := makeAll(c.Context(), r.changes(hs), r.dry, c.ErrOrStderr())
	return r.output.write(c.OutOrStdout(), made, err, refused, incomplete)
}

// runStored releases halts of a group that has no members.
func (r *release) runStored(c *cobra.Command, ids []string) error {
	_, err := r.cluster.group(c.Context(), r.group, func(ctx context.Context, client *wire.Client, g *storedGroup) error {
		changes, err := r.edits(g, client, ids)
		made, refused := makeAll(ctx, changes, r.dry, c.ErrOrStderr())
		return r.output.write(c.OutOrStdout(), made, err, refused)
	})
	return err
}

// chosen reports whether --all covers a halt.
func (r *release) chosen(hs []halted) (all []halted) {
	for _, h := range hs {
		if !h.byHand() && (r.step == "" || h.Step == r.step) {
			all = append(all, h)
		}
	}
	return all
}

func (r *release) changes(hs []halted) (all []change) {
	if r.verb == "resume" {
		return resumes(hs, "halt")
	}
	for _, h := range hs {
		all = append(all, r.skips(h))
	}
	return all
}

// released is the change that ends a halt.
func (h halted) released(verb, effect string) change {
	c := change{Verb: verb, What: h.record(), At: h.At, Pipeline: h.Pipeline, Halt: h.ID, Effect: effect}
	if h.byHand() {
		c.What = h.place().String()
	}
	return c
}

func (r *release) skips(h halted) change {
	s := adminapi.Skip{Halt: h.ID}
	effect := h.skips()
	if r.from >= 0 {
		s.From, s.To = &r.from, &r.to
		effect = fmt.Sprintf("Gives up those of %s from %d to %d.", h.span(), r.from, r.to)
	}
	c := h.released("skip", cmp.Or(effect, "It would be refused: no record has failed, and resume ends it."))
	c.make = func(ctx context.Context) (adminapi.Done, error) { return h.view.replica.Skip(ctx, h.Pipeline, s) }
	return c
}

// pick finds halts by the beginnings of their ids. An id that no halt has is a conflict, whose
// error says who released the halt. An id of several halts is refused.
func pick(ctx context.Context, f *adminapi.Fleet, hs []halted, ids []string) (found []halted, err error) {
	for _, id := range ids {
		var of []halted
		for _, h := range hs {
			if strings.HasPrefix(h.ID, id) {
				of = append(of, h)
			}
		}
		switch {
		case len(of) == 1:
			found = append(found, of[0])
		case len(of) > 1:
			return nil, usage("%s is the beginning of %d ids: write more of it", id, len(of))
		default:
			err = errors.Join(err, gone(ctx, f, id))
		}
	}
	return found, err
}

// gone is the error of a halt that no replica has.
func gone(ctx context.Context, f *adminapi.Fleet, id string) error {
	if err := silent(f); err != nil {
		return coded{said{fmt.Sprintf("halt %s: no replica that answers has it", id), err}, errIncomplete}
	}
	return conflict("there is no halt %s any more: %s; laneway halts lists the current ones", id, faster(ctx, f, id))
}

// faster says who ended a halt, according to the last events of the replicas.
func faster(ctx context.Context, f *adminapi.Fleet, id string) string {
	for _, a := range f.Ask(ctx, func(c *adminapi.Client, ctx context.Context) (adminapi.Events, error) { return c.Events(ctx, 0) }) {
		for _, e := range a.Value.Events {
			if strings.HasPrefix(e.Halt, id) && e.Level == "info" { // it was not refused
				return fmt.Sprintf("%s was faster at %s: %s, %s ago", e.By, a.From.Addr(), e.Kind, a.From.Process.At.Sub(e.At).Round(time.Second))
			}
		}
	}
	return "it was released, or its partition has moved"
}
