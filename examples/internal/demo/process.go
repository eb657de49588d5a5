package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/source"
)

// workerVar makes this program a worker process. It holds the job.
const workerVar = "LANEWAY_DEMO_WORKER"

type job struct {
	Brokers []string
	Group   string
	Topics  []string
	Args    []string
}

// quietly starts a line from a worker that is not printed.
const quietly = "\t"

// Note sends a line to the parent of this worker, without printing it.
func (d *Demo) Note(format string, args ...any) { d.Say(quietly+format, args...) }

// Process is a worker in a process of its own.
type Process struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	wg   conc.WaitGroup // of the goroutines that read its output and wait for its end

	mu    sync.Mutex // guards the fields below
	lines []string   // all lines it wrote
	seen  int        // how many of them Await has read
	more  chan struct{}
	err   error         // of the ended process
	ended chan struct{} // closed once it has ended
}

// Start starts this program again as a worker process, which runs Work with args. Its output is
// printed after its name, except for notes. It ends no later than this run.
func (d *Demo) Start(name string, args ...string) (*Process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	what, err := json.Marshal(job{d.Kafka.Brokers, d.Kafka.Group, d.Kafka.Topics, args})
	if err != nil {
		return nil, err
	}
	p := &Process{name: name, cmd: exec.Command(exe), more: make(chan struct{}, 1), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), workerVar+"="+string(what))
	out, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if p.in, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p.wg.Go(func() {
		err := p.cmd.Wait()
		_ = w.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.err = err
		close(p.ended)
	})
	p.wg.Go(func() {
		for said := bufio.NewScanner(out); said.Scan(); {
			line, quiet := strings.CutPrefix(said.Text(), quietly)
			if !quiet {
				d.Say("  %s  %s", name, line)
			}
			p.mu.Lock()
			p.lines = append(p.lines, line)
			p.mu.Unlock()
			select {
			case p.more <- struct{}{}:
			default:
			}
		}
	})
	d.processes = append(d.processes, p)
	return p, nil
}

// Await returns the next line that matches, with its submatches, and discards the lines before it.
func (p *Process) Await(ctx context.Context, line string) ([]string, error) {
	re := regexp.MustCompile(line)
	for {
		p.mu.Lock()
		for p.seen < len(p.lines) {
			m := re.FindStringSubmatch(p.lines[p.seen])
			if p.seen++; m != nil {
				p.mu.Unlock()
				return m, nil
			}
		}
		p.mu.Unlock()
		select {
		case <-p.more:
		case <-p.ended:
			p.wg.Wait() // all its output is read
			select {
			case <-p.more:
				continue
			default:
				return nil, fmt.Errorf("%s ended before it printed %q", p.name, line)
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("%s did not print %q: %w", p.name, line, context.Cause(ctx))
		}
	}
}

// Said returns all matching lines so far, with their submatches.
func (p *Process) Said(line string) (matches [][]string) {
	re := regexp.MustCompile(line)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		if m := re.FindStringSubmatch(l); m != nil {
			matches = append(matches, m)
		}
	}
	return matches
}

// Tell sends a line to the process, which receives it from Demo.Told.
func (p *Process) Tell(line string) error {
	_, err := fmt.Fprintln(p.in, line)
	return err
}

// Signal sends a signal to the process: SIGTERM starts a drain, SIGKILL is a crash.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Wait waits until the process has ended, and returns its exit code, or -1 after a signal.
func (p *Process) Wait(ctx context.Context) (code int, err error) {
	select {
	case <-p.ended:
	case <-ctx.Done():
		return 0, fmt.Errorf("%s did not end: %w", p.name, context.Cause(ctx))
	}
	p.wg.Wait()
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		return 0, fmt.Errorf("%s: %w", p.name, p.err)
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

// endProcesses ends the processes that are still running: a worker drains when its stdin ends.
func (d *Demo) endProcesses() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	for _, p := range d.processes {
		_ = p.in.Close()
		if _, err := p.Wait(ctx); err != nil {
			_ = p.Signal(os.Kill)
		}
		p.wg.Wait()
	}
}

// IsWorker reports whether Demo.Start started this process.
func (p Program) IsWorker() bool { return os.Getenv(workerVar) != "" }

// MainWorker runs Work and returns the exit code.
func (p Program) MainWorker() int {
	var j job
	err := json.Unmarshal([]byte(os.Getenv(workerVar)), &j)
	if err == nil {
		ctx, cancel := context.WithCancelCause(context.Background())
		told := make(chan string)
		var reader conc.WaitGroup // a read of stdin cannot be cancelled; it ends with the process
		reader.Go(func() {
			defer close(told)
			for in := bufio.NewScanner(os.Stdin); in.Scan(); {
				told <- in.Text()
			}
			cancel(errors.New("the parent of this worker has ended"))
		})
		d := &Demo{Kafka: source.KafkaConfig{Brokers: j.Brokers, Group: j.Group, Topics: j.Topics}, Args: j.Args, Told: told, screen: newScreen(os.Stdout)}
		if err = d.startTelemetry(ctx, p.Name, ""); err == nil {
			err = errors.Join(p.Work(ctx, d), d.stopTelemetry())
		}
	}
	if err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	return 0
}
