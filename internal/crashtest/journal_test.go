package crashtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

// What a line tells.
const (
	assigned  = "assigned"  // of a partition, from offset on
	revoked   = "revoked"   // drained and let go, offset is committed
	lost      = "lost"      // taken away
	began     = "began"     // an attempt at a record
	done      = "done"      // it succeeded
	failed    = "failed"    // it did not
	parked    = "parked"    // a retry waits
	halted    = "halted"    // the partition is frozen at offset
	resumed   = "resumed"   // and goes on
	committed = "committed" // offset was acknowledged
	ready     = "ready"     // the worker's pipeline runs
	ended     = "ended"     // Run has returned well
	killed    = "killed"    // told by the test: the worker is gone
)

// entry is one line: what a worker did, and in which assignment of which partition.
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

// journal is what all workers told, in the order in which they did.
type journal struct {
	mu      sync.Mutex // guards what follows
	entries []entry
	err     error
	ended   bool
	changed chan struct{} // closed and replaced with each line, and at the end
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

// read takes lines until all writers have closed the pipe.
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
		j.err = fmt.Errorf("a line that cannot be read: %+v: %w", e, err)
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

// since returns what was told behind the first n lines, and a channel that is closed when there is
// more.
func (j *journal) since(n int) (es []entry, more <-chan struct{}, ended bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[n:len(j.entries):len(j.entries)], j.changed, j.ended
}

// await returns the first line that is wanted, behind the first n.
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
