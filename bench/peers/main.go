package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/laneway-go/laneway/bench/internal/testbed"
)

func main() {
	if testbed.Serve() || serve() {
		return
	}
	rounds := flag.Int("rounds", 3, "how often every peer does every work; medians are printed")
	records := flag.Int("records", 400_000, "of the large works; W2 has a twentieth")
	only := flag.String("works", "W1,keyed,W2,W3", "which to do")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Printf("`go run . %s`: ", strings.Join(os.Args[1:], " "))
	if err := run(ctx, os.Stdout, *rounds, *records, strings.Split(*only, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// run does the works that only names and writes their tables; progress goes to the standard error.
func run(ctx context.Context, out io.Writer, rounds, records int, only []string) error {
	c, err := connect()
	if err != nil {
		return err
	}
	defer c.close()
	fmt.Fprintf(out, "%s; broker: %s; %d rounds, medians.\n", machine(), c.name, rounds)
	for _, w := range works(records) {
		if err := c.do(ctx, out, w, rounds, only); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	settings(out)
	return nil
}

// do has every peer do a work.
func (c *cluster) do(ctx context.Context, out io.Writer, w work, rounds int, only []string) error {
	if !slices.Contains(only, w.name) {
		return nil
	}
	topic, ends, err := c.topic(ctx, w.records, w.size)
	if err != nil {
		return err
	}
	defer c.delete(topic)
	task := func(p peer) job {
		return job{Peer: p.name, Brokers: c.brokers, Topic: topic, Group: fresh("peers"), Keyed: w.keyed, Takes: w.takes, From: make([]int64, len(ends)), To: ends}
	}
	if w.poison {
		vs := map[string]verdict{}
		for _, p := range peers {
			j := task(p)
			j.Poison = &place{Partition: 3, Offset: ends[3] / 10}
			if vs[p.name], err = c.poison(ctx, j); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%s %s %+v\n", w.name, p.name, vs[p.name])
		}
		failures(out, w, vs)
		return nil
	}
	rows := make([]row, len(peers))
	for round := range rounds {
		for k := range peers {
			i := (k + round) % len(peers) // each is first once
			o, err := c.measure(ctx, task(peers[i]))
			if err != nil {
				return err
			}
			rows[i].peer, rows[i].outcomes = peers[i], append(rows[i].outcomes, o)
			fmt.Fprintf(os.Stderr, "%s %s: first after %v, committed %v later, of which %v at the end; CPU %v\n", w.name, peers[i].name, o.joined, o.wall, o.ending, o.used)
		}
	}
	speeds(out, w, rows)
	return nil
}
