package crashtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/laneway-go/laneway/stream"
)

// releaseLine on a worker's standard input ends its poison.
const releaseLine = "release"

// obey follows the test's commands. Once the test is gone, the worker ends.
func (w *worker) obey() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() != releaseLine {
			continue
		}
		w.mu.Lock()
		w.released = true
		w.mu.Unlock()
		for _, h := range w.pipeline.Halts() {
			w.resume(h)
		}
	}
	os.Exit(3)
}

// release resumes partitions that halt after the poison ended, since an earlier attempt may still
// fail.
func (w *worker) release(ctx context.Context) {
	for {
		select {
		case h := <-w.halts:
			w.mu.Lock()
			released := w.released
			w.mu.Unlock()
			if released {
				w.resume(h)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (w *worker) resume(h stream.Halt) {
	if err := w.pipeline.Resume(h); err != nil && !errors.Is(err, stream.ErrStale) {
		fmt.Fprintf(os.Stderr, "resuming %v: %v\n", h, err)
	}
}
