package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/laneway-go/laneway/ops"
	"github.com/laneway-go/laneway/stream"
	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"
)

// progress counts what happened to letters. It shows the counts at the end, and on a terminal while
// the command runs, too.
type progress struct {
	topic    string
	dry      bool
	terminal bool
	began    time.Time

	mu     sync.Mutex // guards the fields below and keeps lines whole
	out    io.Writer
	counts [ops.Incomplete + 1]int64
	gaveUp int64 // of the letters to send back
	left   int64 // -1 if unknown
}

func newProgress(out io.Writer, topic string, dry bool) *progress {
	return &progress{topic: topic, dry: dry, began: time.Now(), out: out, left: -1, terminal: isTerminal(out)}
}

// seen is called with each letter.
func (p *progress) seen(m kafka.Message, l ops.Letter, what ops.Redriven) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[what]++
	if !p.dry {
		return
	}
	at := fmt.Sprintf("%s[%d]@%d", m.Topic, m.Partition, m.Offset)
	switch what {
	case ops.NotMatched:
	case ops.NoLetter:
		fmt.Fprintf(p.out, "%s  %v\n", at, what)
	default:
		fmt.Fprintf(p.out, "%s  %v: key %q from %s[%d]@%d, %s after %d attempts, %v: %s\n", at, what, m.Key, l.Topic, l.Partition, l.Offset, l.Step, l.Attempts, l.Failed.Format(time.RFC3339), line(l.Error))
	}
}

// line returns the start of s on one line.
func line(s string) string {
	const most = 120
	for i, r := range s {
		if r == '\n' || i > most {
			return s[:i] + "…"
		}
	}
	return s
}

// lost is called with each letter that cannot be sent back.
func (p *progress) lost(_ context.Context, f stream.Failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gaveUp++
	p.clear()
	fmt.Fprintf(p.out, "%v  cannot be sent back: %v\n", f.Meta, f.Err)
}

// watch runs the pipeline and calls look with its state from time to time.
func (p *progress) watch(ctx context.Context, pipe *stream.Pipeline, look func(stream.Snapshot)) error {
	looking, stop := context.WithCancel(ctx)
	var wg conc.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-looking.Done():
				return
			case <-tick.C:
			}
			s := pipe.Snapshot()
			p.show(s)
			look(s)
		}
	})
	return pipe.Run(ctx)
}

func (p *progress) show(s stream.Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = 0
	for _, q := range s.Partitions {
		p.left += max(q.Lag, 0)
	}
	if p.terminal {
		p.clear()
		fmt.Fprintf(p.out, "%s; %d left", p.says(), p.left)
	}
}

// clear erases the progress line. The caller holds mu.
func (p *progress) clear() {
	if p.terminal && !p.dry {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// end prints the result. It returns an error if letters could not be sent back.
func (p *progress) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintln(p.out, p.says())
	if p.gaveUp > 0 {
		return fmt.Errorf("%d letters cannot be sent back and were passed over; they stay in %s: "+
			"fix the cause, then run with another --group", p.gaveUp, p.topic)
	}
	return nil
}

func (p *progress) says() string {
	sent := p.counts[ops.SentBack] - p.gaveUp
	took := time.Since(p.began)
	verb := "sent back"
	if p.dry {
		verb = "would be sent back"
	}
	return fmt.Sprintf("%s: %d %s (%.0f/s), %d not matched, %d sent back too often, %d not dead letters", p.topic,
		sent, verb, float64(sent)/max(took.Seconds(), 1), p.counts[ops.NotMatched], p.counts[ops.LimitReached], p.counts[ops.NoLetter])
}
