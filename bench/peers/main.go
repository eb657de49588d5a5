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
	rivals := flag.String("peers", "franz-go,sarama,watermill-kafka,kafka.Reader", "whom to put beside Laneway")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	peers = slices.DeleteFunc(peers, func(p peer) bool {
		return p.name != laneway.name && !slices.Contains(strings.Split(*rivals, ","), p.name)
	})
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
			v, err := c.poison(ctx, j)
			if err := tell(w, p, err, "%+v", v); err != nil {
				return err
			}
			if err == nil {
				vs[p.name] = v
			}
		}
		failures(out, w, vs)
		return nil
	}
	rows := make([]row, len(peers))
	for i := range rows {
		rows[i].outcomes = make([]*outcome, rounds)
	}
	for round := range rounds {
		for k := range peers {
			i := (k + round) % len(peers) // each is first once
			o, err := c.measure(ctx, task(peers[i]))
			if err := tell(w, peers[i], err, "first after %v, committed %v later, of which %v at the end; CPU %v", o.joined, o.wall, o.ending, o.used); err != nil {
				return err
			}
			if rows[i].peer = peers[i]; err == nil {
				rows[i].outcomes[round] = &o
			}
		}
	}
	speeds(out, w, rows)
	return nil
}

// tell reports progress. That a rival has failed is a result; without Laneway there is nothing to compare with.
func tell(w work, p peer, err error, format string, args ...any) error {
	if err != nil {
		format, args = "failed: %v", []any{err}
	}
	fmt.Fprintf(os.Stderr, "%s %s: %s\n", w.name, p.name, fmt.Sprintf(format, args...))
	if p.name == laneway.name {
		return err
	}
	return nil
}
