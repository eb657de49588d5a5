package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/laneway-go/laneway/internal/kafka/inspect"
	"github.com/laneway-go/laneway/internal/kafka/wire"
)

func inspectCommand() *cobra.Command {
	var k cluster
	var o output
	var group string
	c := &cobra.Command{
		Use:   "inspect --group GROUP",
		Short: "Show what a group has stored in Kafka, even if no worker runs",
		Long: `Shows what a consumer group has stored in Kafka: its committed offsets, its lag in records and in
time, and its resume states. A resume state says how much has finished above the offset, how many
lanes are set aside, from which offset, and what is halted or parked. A state that no longer fits is
shown as void, with the reason. Workers ignore such a state.

While the group has no members, laneway resume and laneway skip take these ids with --group. If
results and offsets are stored in a database (sink.SQL), its offsets count, and Kafka has a copy of
them without states.`,
		Example:           `  laneway inspect --brokers kafka:9092 --group billing`,
		Args:              arguments(0, 0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			g, err := k.group(c.Context(), group, func(ctx context.Context, _ *wire.Client, g *storedGroup) error {
				return k.date(ctx, g)
			})
			if err != nil {
				return err
			}
			if o == asJSON {
				return writeJSON(c.OutOrStdout(), g.json())
			}
			return g.write(c.OutOrStdout())
		},
	}
	k.flags(c.Flags())
	o.flag(c)
	c.Flags().StringVar(&group, "group", "", "consumer `group`")
	return c
}

// group reads what a group has stored, and calls f with the client that read it.
func (c *cluster) group(ctx context.Context, name string, f func(context.Context, *wire.Client, *storedGroup) error) (*storedGroup, error) {
	switch {
	case name == "":
		return nil, usage("no group is given: use --group")
	case c.brokers == "":
		return nil, errNoBrokers
	}
	t, err := c.transport()
	if err != nil {
		return nil, err
	}
	defer t.CloseIdleConnections()
	client := wire.New(wire.Config{Brokers: c.addrs(), Transport: t})
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	g, err := readGroup(ctx, client, name)
	if err != nil {
		return nil, err
	}
	return g, f(ctx, client, g)
}

func (g *storedGroup) write(w io.Writer) error {
	fmt.Fprintf(w, "%s\n", g.says())
	if len(g.parts) == 0 {
		_, err := fmt.Fprintln(w, "It has committed no offset.")
		return err
	}
	fmt.Fprintln(w)
	t := newTable("PARTITION", "COMMITTED", "LAG", "OLDEST", "FINISHED AHEAD", "SET ASIDE", "HALTS", "STATE")
	for _, p := range g.parts {
		lag := "?"
		if n := p.lag(); n >= 0 {
			lag = fmt.Sprint(n)
		}
		t.row(p.String(), fmt.Sprint(p.Committed), lag, p.age(g.at), fmt.Sprint(p.ahead()), p.aside(), fmt.Sprint(len(p.state.Halts)), p.says())
	}
	if err := t.write(w); err != nil {
		return err
	}
	return g.writeHalts(w)
}

// age returns how long ago the record at the offset was written.
func (p *storedPart) age(now time.Time) string {
	switch {
	case !p.oldest.IsZero():
		return ago(now.Sub(p.oldest))
	case p.lag() == 0:
		return "-"
	}
	return "?"
}

func (g *storedGroup) writeHalts(w io.Writer) error {
	hs := g.halts()
	if len(hs) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	size := shortestID(ids(hs))
	t := newTable("ID", "WHAT", "RECORD", "KEY", "STEP", "ATTEMPTS", "FOR", "ERROR")
	for _, h := range hs {
		if h.By != "" {
			t.row(h.id[:size], h.what(), h.part.String(), h.Key, "", "", ago(g.at.Sub(h.since())), h.why())
			continue
		}
		t.row(h.id[:size], h.what(), h.span(), h.Key, h.Step, fmt.Sprint(h.Attempts), ago(g.at.Sub(h.since())), h.why())
	}
	if err := t.write(w); err != nil {
		return err
	}
	next := "Next: laneway resume ID, or laneway skip ID, with --group " + g.name + "."
	if len(g.Members) > 0 {
		next = "The group has members: release halts with laneway halts, resume and skip, --at their admin APIs."
	}
	_, err := fmt.Fprintf(w, "\n%s\n", next)
	return err
}

// says describes the state of the group in a sentence.
func (g *storedGroup) says() string {
	if g.State == "Dead" || len(g.Members) == 0 && g.State == "" {
		return fmt.Sprintf("Group %s has no members.", g.name)
	}
	if len(g.Members) == 0 {
		return fmt.Sprintf("Group %s has no members (%s).", g.name, g.State)
	}
	var names []string
	for _, m := range g.Members {
		names = append(names, memberName(m))
	}
	return fmt.Sprintf("Group %s is %s, with %s: %s.", g.name, g.State, counted(len(names), "member"), strings.Join(names, ", "))
}

func memberName(m inspect.Member) string {
	name := printable(cmp.Or(m.Client, m.ID) + " at " + strings.TrimPrefix(m.Host, "/"))
	if m.Instance != "" {
		name += ", static instance " + printable(m.Instance)
	}
	return name
}

func ids(hs []storedHalt) (all []string) {
	for _, h := range hs {
		all = append(all, h.id)
	}
	return all
}
