package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// pause is the command pause, unpause or park.
type pause struct {
	remote
	output
	dry, all bool
	lasts    time.Duration // 0: until resume
	pipeline string
	sent     []*pausingAll
}

func pauseCommand() *cobra.Command {
	p := &pause{}
	c := &cobra.Command{
		Use:   "pause PARTITION... | --all",
		Short: "Stop reading partitions",
		Long: `Stops reading partitions. Records read before are finished and committed. A pause ends with laneway
unpause, or after the time given with --for. If commits store a resume state, the pause survives
rebalances, restarts and deploys; the answer says whether it does.

With --all it sends one request for each pipeline of a replica. A partition that has moved meanwhile
is reported, and not paused.

Write a partition as in logs, 'orders[3]', or as orders/3, which no shell expands. In a Merge its
source comes first: eu/orders/3.`,
		Example: `  laneway pause orders/3
  laneway pause orders/3 --for 30m
  laneway pause --all --pipeline billing`,
		RunE: func(c *cobra.Command, args []string) error { return p.run(c, args, p.begins) },
	}
	p.flags(c)
	p.limited(c)
	p.many(c, "pause all partitions of the fleet")
	return c
}

func unpauseCommand() *cobra.Command {
	p := &pause{}
	c := &cobra.Command{
		Use:   "unpause PARTITION... | --all",
		Short: "Continue reading paused partitions",
		Long:  `Continues reading partitions that operators have paused. A halted partition needs laneway resume.`,
		Example: `  laneway unpause orders/3
  laneway unpause --all`,
		RunE: func(c *cobra.Command, args []string) error { return p.run(c, args, p.ends) },
	}
	p.flags(c)
	p.many(c, "continue all paused partitions")
	return c
}

func (p *pause) flags(c *cobra.Command) {
	p.remote.flags(c.Flags())
	p.remote.completeWith(c, places)
	p.output.flag(c)
	c.Flags().BoolVarP(&p.dry, "dry-run", "n", false, "show what would be done, and change nothing")
	c.Flags().StringVar(&p.pipeline, "pipeline", "", "only this `pipeline`")
}

func (p *pause) many(c *cobra.Command, all string) { c.Flags().BoolVar(&p.all, "all", false, all) }

func (p *pause) limited(c *cobra.Command) {
	c.Flags().DurationVar(&p.lasts, "for", 0, "`how long` it lasts, such as 30m; default: until somebody ends it")
}

// until returns when a pause or park that starts now ends by itself, by the clock of a replica;
// nil: it does not.
func (p *pause) until(v view) *time.Time {
	if p.lasts == 0 {
		return nil
	}
	return new(v.now().Add(p.lasts))
}

func (p *pause) run(c *cobra.Command, args []string, changes func([]view, []place) ([]change, error)) error {
	places, err := parsePlaces(args)
	switch {
	case err != nil:
		return err
	case p.all == (len(args) > 0):
		return usage("%s needs partitions, or --all", c.CommandPath())
	case p.lasts < 0:
		return errLasts
	}
	f, err := p.find(c.Context())
	if err != nil {
		return err
	}
	defer f.Close()
	views, incomplete := look(c.Context(), f, p.pipeline)
	todo, err := changes(views, places)
	made, refused := makeAll(c.Context(), todo, p.dry, c.ErrOrStderr())
	return p.output.write(c.OutOrStdout(), made, err, refused, p.late(), incomplete)
}

// begins pauses partitions, in the epochs that the replicas have just reported.
func (p *pause) begins(views []view, places []place) (todo []change, err error) {
	if p.all {
		return p.beginsAll(views), nil
	}
	var found []place
	for _, q := range partitions(views) {
		if !slices.Contains(places, q.place()) {
			continue
		}
		found = append(found, q.place())
		body := adminapi.Pause{Hold: p.hold(q)}
		c := pausing(q)
		c.make = func(ctx context.Context) (adminapi.Done, error) { return q.view.replica.Pause(ctx, q.pipeline, body) }
		todo = append(todo, c)
	}
	return todo, missing(places, found, "no replica that answers has it")
}

func pausing(q owned) change {
	return change{Verb: "pause", What: q.place().String(), At: q.view.At, Pipeline: q.pipeline, Effect: "Stops reading it; records read before are finished."}
}

// hold stops something in a partition for the time of --for.
func (p *pause) hold(q owned) adminapi.Hold {
	return adminapi.Hold{Seen: q.seen(), Until: p.until(q.view)}
}

func (p *pause) ends(views []view, places []place) (todo []change, err error) {
	var found []place
	hs := slices.DeleteFunc(halts(views), func(h halted) bool { return !h.paused() || !p.all && !slices.Contains(places, h.place()) })
	slices.SortStableFunc(hs, func(a, b halted) int { return a.place().compare(b.place()) })
	for _, c := range resumes(hs, "partition") {
		c.Verb = "unpause"
		todo = append(todo, c)
	}
	for _, h := range hs {
		found = append(found, h.place())
	}
	return todo, missing(places, found, "no operator has paused it; perhaps somebody has ended the pause already")
}

// missing is a conflict for each partition that was not found.
func missing(wanted, found []place, why string) (err error) {
	for _, p := range wanted {
		if !slices.Contains(found, p) {
			err = errors.Join(err, conflict("%v: %s", p, why))
		}
	}
	return err
}
