package demo

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/laneway-go/laneway/stream"
)

// screen prints lines, and on a terminal a status line below them.
type screen struct {
	live bool       // out is a terminal
	wide func() int // columns of the terminal

	mu     sync.Mutex // guards the fields below
	out    io.Writer
	status string // the status line
}

func newScreen(out io.Writer) *screen {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &screen{out: out}
	}
	return &screen{out: out, live: true, wide: func() int {
		columns, _, err := term.GetSize(int(f.Fd()))
		if err != nil || columns < 1 {
			columns = 80
		}
		return columns
	}}
}

const clearLine = "\r\x1b[K"

// say prints a line.
func (s *screen) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live {
		fmt.Fprint(s.out, clearLine+line+"\n"+s.status)
		return
	}
	fmt.Fprintln(s.out, line)
}

// Write prints a block below everything else.
func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(b)
}

// show changes the status line. Without a terminal it prints another line. An empty status removes
// the line.
func (s *screen) show(status string) {
	if s.live { // a wrapped line cannot be cleared
		status = string([]rune(status)[:min(len([]rune(status)), s.wide()-1)])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.status
	s.status = status
	switch {
	case s.live:
		fmt.Fprint(s.out, clearLine+status)
	case status != "" && status != old:
		fmt.Fprintln(s.out, status)
	}
}

// interval is how often the status line should change.
func (s *screen) interval() time.Duration {
	if s.live {
		return 50 * time.Millisecond
	}
	return 500 * time.Millisecond
}

// hear prints the events of a pipeline.
func (s *screen) hear(e stream.Event) {
	switch e := e.(type) {
	case stream.Retrying:
		s.say("  retry    %v; again in %v", e.Failure, e.Wait.Round(time.Millisecond))
	case stream.DeadLettered:
		s.say("  letter   %v; it is dead-lettered", e.Failure)
	case stream.Halted:
		if e.Scope == stream.ScopePartition {
			s.say("  halted   %v; the other partitions continue", e.Failure)
		} else {
			s.say("  parked   %v; the others continue", e.Failure)
		}
	case stream.Resumed:
		s.say("  resumed  %v continues from %d", e.Meta.TopicPartition(), e.Meta.Offset)
	case stream.CommitFailed:
		s.say("  commit   %v: %v; it is retried", e.TopicPartition, e.Err)
	case stream.SourceEvent:
		if e.Err != nil {
			s.say("  source   %s %s: %v", e.Name, e.Text, e.Err)
		}
	case stream.Draining:
		s.say("  drain    started records finish and are committed")
	}
}
