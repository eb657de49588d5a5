package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/stream"
)

// replayProgress counts records, and shows on a terminal how far a replay is.
type replayProgress struct {
	out      io.Writer
	terminal bool
	began    time.Time
	spans    map[stream.TopicPartition]extent

	mu          sync.Mutex // guards the fields below
	next        map[stream.TopicPartition]int64
	reads, sent int64
}

func newReplayProgress(out io.Writer, spans map[stream.TopicPartition]extent) *replayProgress {
	return &replayProgress{out: out, terminal: isTerminal(out), began: time.Now(), spans: spans, next: map[stream.TopicPartition]int64{}}
}

func (p *replayProgress) read(m kafka.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	p.next[stream.TopicPartition{Topic: m.Topic, Partition: m.Partition}] = m.Offset + 1
}

func (p *replayProgress) wrote(context.Context, kafka.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent++
	return nil
}

func (p *replayProgress) counts() (read, wrote int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reads, p.sent
}

// watch shows the progress while run runs.
func (p *replayProgress) watch(ctx context.Context, run func(context.Context) error) error {
	showing, stop := context.WithCancel(ctx)
	var wg conc.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for p.terminal {
			select {
			case <-showing.Done():
				return
			case <-tick.C:
				fmt.Fprintf(p.out, "\r\x1b[K%s", p.line(time.Since(p.began)))
			}
		}
	})
	return run(ctx)
}

// line shows the progress in offsets, since some offsets may have no record.
func (p *replayProgress) line(took time.Duration) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var done, all int64
	for tp, e := range p.spans {
		all += e.until - e.from
		if next, begun := p.next[tp]; begun {
			done += next - e.from
		}
	}
	left := "?"
	if done > 0 {
		left = ago(time.Duration(float64(took) / float64(done) * float64(all-done)))
	}
	return fmt.Sprintf("%d of %d offsets, %d records chosen, %.0f/s, %s left", done, all, p.sent, float64(p.reads)/max(took.Seconds(), 0.001), left)
}

func (p *replayProgress) end() {
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
