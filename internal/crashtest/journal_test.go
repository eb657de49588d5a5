package crashtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

// The kinds of lines.
const (
	assigned  = "assigned"  // the worker has the partition, from offset on
	revoked   = "revoked"   // drained and released; offset is committed
	overdue   = "overdue"   // a drain of it, maybe together with others, did not end in time
	lost      = "lost"      // taken away
	began     = "began"     // an attempt at a record started
	done      = "done"      // it succeeded
	failed    = "failed"    // it failed
	waiting   = "waiting"   // a retry waits
	halted    = "halted"    // the partition halted at offset
	resumed   = "resumed"   // and resumed
	committed = "committed" // offset was acknowledged
	ready     = "ready"     // the worker's pipeline runs
	draining  = "draining"  // its pipeline drains
	ended     = "ended"     // Run returned nil
	killed    = "killed"    // written by the test: the worker is gone
	fixed     = "fixed"     // written by the test: the poison ends
	arrived   = "arrived"   // written by the test: a member that is no worker joins
	left      = "left"      // written by the test: it has left
)

// entry is one line: what a worker did in which assignment of which partition.
type entry struct {
	what, worker string
	epoch        int32
	partition    int
	offset       int64
	key          string
}

func (e entry) String() string {
	return fmt.Sprintf("%s %s %d %d %d %s\n", e.what, e.worker, e.epoch, e.partition, e.offset, e.key)
}

func parse(line string) (e entry, err error) {
	line = strings.TrimSuffix(line, "\n")
	n, err := fmt.Sscanf(line, "%s %s %d %d %d", &e.what, &e.worker, &e.epoch, &e.partition, &e.offset)
	if fields := strings.Fields(line); n == 5 && len(fields) == 6 {
		e.key = fields[5]
	}
	return e, err
}

// journal holds the lines of all workers in their order.
type journal struct {
	mu      sync.Mutex // guards the fields below
	entries []entry
	err     error
	ended   bool
	changed chan struct{} // closed and replaced with each line, and at the end
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

// read reads lines until all writers have closed the pipe.
func (j *journal) read(from io.Reader) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			j.end(line, err)
			return
		}
		e, err := parse(line)
		j.add(e, err)
	}
}

func (j *journal) add(e entry, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil && j.err == nil {
		j.err = fmt.Errorf("invalid line %+v: %w", e, err)
	}
	j.entries = append(j.entries, e)
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *journal) end(rest string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil && (err != io.EOF || rest != "") {
		j.err = fmt.Errorf("the journal ends with %q: %w", rest, err)
	}
	j.ended = true
	close(j.changed)
	j.changed = make(chan struct{})
}

// since returns the lines after the first n, and a channel that is closed when there are more.
func (j *journal) since(n int) (es []entry, more <-chan struct{}, ended bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[n:len(j.entries):len(j.entries)], j.changed, j.ended
}

// await returns the first wanted line after the first n.
func (j *journal) await(ctx context.Context, n int, wanted func(entry) bool) (entry, error) {
	for {
		es, more, end := j.since(n)
		for _, e := range es {
			if wanted(e) {
				return e, nil
			}
		}
		n += len(es)
		if end {
			return entry{}, io.ErrUnexpectedEOF
		}
		select {
		case <-more:
		case <-ctx.Done():
			return entry{}, context.Cause(ctx)
		}
	}
}
