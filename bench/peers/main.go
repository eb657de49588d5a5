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
	"time"

	"github.com/laneway-go/laneway/bench/internal/testbed"
)

func main() {
	if testbed.Serve() || serve() {
		return
	}
	var r run
	flag.IntVar(&r.rounds, "rounds", 5, "how often every peer does every work; the medians are printed")
	flag.IntVar(&r.records, "records", 2_000_000, "records of the large works; W2 has a hundredth")
	flag.DurationVar(&r.during, "during", 10*time.Second, "how long records arrive in the works half and most")
	flag.DurationVar(&r.warm, "warm", 3*time.Second, "warm-up before the measurement, for runtimes that compile while they run")
	only := flag.String("works", "W1,keyed,zipf,W2,W2zipf,W3,half,most", "works to do")
	rivals := flag.String("peers", "franz-go,parallel-consumer,sarama,watermill-kafka,kafka.Reader", "peers to compare with Laneway")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	peers = slices.DeleteFunc(peers, func(p peer) bool {
		return p.name != laneway.name && !slices.Contains(strings.Split(*rivals, ","), p.name)
	})
	fmt.Printf("`go run . %s`: ", strings.Join(os.Args[1:], " "))
	r.works = strings.Split(*only, ",")
	if err := r.all(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// run is one call of this program.
type run struct {
	rounds, records int
	warm, during    time.Duration
	works           []string // their names
}

// all runs the works and writes their tables. Progress goes to standard error.
func (r run) all(ctx context.Context, out io.Writer) error {
	c, err := connect()
	if err != nil {
		return err
	}
	defer c.close()
	fmt.Fprintf(out, "%s; broker: %s; %d rounds, medians.\n", machine(), c.name, r.rounds)
	for _, w := range works(r.records) {
		if !slices.Contains(r.works, w.name) {
			continue
		}
		if err := r.do(ctx, c, out, w); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	settings(out)
	return nil
}

// do runs a work with every peer.
func (r run) do(ctx context.Context, c *cluster, out io.Writer, w work) error {
	if w.load > 0 {
		return r.arrive(ctx, c, out, w)
	}
	topic, ends, err := c.topic(ctx, w)
	if err != nil {
		return err
	}
	defer c.delete(topic)
	task := func(p peer) job { return w.task(c, p, topic, make([]int64, len(ends)), ends) }
	if w.poison {
		vs := map[string]verdict{}
		for _, p := range w.peers() {
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
	rows, err := r.turns(w, func(p peer) (outcome, error) { return c.measure(ctx, task(p), nil) })
	if err != nil {
		return err
	}
	if w.name == waiting(0).name {
		c.capacity = slowest(w, rows)
	}
	speeds(out, w, rows)
	return nil
}

// slow is the duration of a turn above which a peer gets no other turn.
const slow = time.Minute

// turns has every peer take its turn in every round.
func (r run) turns(w work, turn func(p peer) (outcome, error)) ([]row, error) {
	ps := w.peers()
	rows := make([]row, len(ps))
	for i := range rows {
		rows[i] = row{peer: ps[i], outcomes: make([]*outcome, r.rounds)}
	}
	for round := range r.rounds {
		for k := range ps {
			i := (k + round) % len(ps) // each is first once
			if rows[i].slow {
				continue
			}
			began := time.Now()
			o, err := turn(ps[i])
			rows[i].slow = round < r.rounds-1 && time.Since(began) > slow
			if err := tell(w, ps[i], err, "first after %v, committed %v later, of which %v at the end; CPU %v", o.joined, o.wall, o.ending, o.used); err != nil {
				return nil, err
			}
			if err == nil {
				rows[i].outcomes[round] = &o
			}
		}
	}
	return rows, nil
}

// tell reports progress. The failure of a rival is a result. Without Laneway there is nothing to
// compare with.
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
