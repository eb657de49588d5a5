package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sourcegraph/conc"
)

// patience bounds every wait for a worker. It is much longer than anything takes on a busy machine.
const patience = 40 * time.Second

// fleet holds the workers of one test and their journal.
type fleet struct {
	t     *testing.T
	job   job
	rng   *rand.Rand
	log   *journal
	write *os.File // the end of the pipe that workers write to
	live  []*process
	n     int // workers started
}

// process is one worker.
type process struct {
	job
	cmd   *exec.Cmd
	stdin io.WriteCloser
	said  bytes.Buffer // its standard error; read only after it has ended
	once  sync.Once
	err   error // of the ended process
}

// seed returns LANEWAY_CRASH_SEED, or a random seed.
func seed(t *testing.T) uint64 {
	n := uint64(time.Now().UnixNano())
	if s := os.Getenv("LANEWAY_CRASH_SEED"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("LANEWAY_CRASH_SEED: %v", err)
		}
	}
	t.Logf("LANEWAY_CRASH_SEED=%d replays this choice of victims", n)
	return n
}

func newFleet(t *testing.T, j job) *fleet {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, job: j, rng: rand.New(rand.NewPCG(seed(t), 1)), log: newJournal(), write: w}
	var reader conc.WaitGroup
	reader.Go(func() { f.log.read(r) })
	t.Cleanup(func() { // after the cleanups of workers, so that none writes any more
		_ = w.Close()
		reader.Wait()
		_ = r.Close()
	})
	return f
}

// join starts a worker, as a static member if instance is not empty.
func (f *fleet) join(instance string) *process {
	f.t.Helper()
	f.n++
	p := &process{job: f.job}
	p.Name, p.Instance = fmt.Sprintf("w%d", f.n), instance
	config, err := json.Marshal(p.job)
	if err != nil {
		f.t.Fatal(err)
	}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), jobVar+"="+string(config))
	p.cmd.ExtraFiles = []*os.File{f.write}
	p.cmd.Stderr = &p.said
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		f.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		f.t.Fatalf("starting a worker: %v", err)
	}
	f.live = append(f.live, p)
	f.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		p.wait()
		if f.t.Failed() {
			said := p.said.String()
			f.t.Logf("%s (%s), %v, said:\n%s", p.Name, p.Instance, p.err, said[max(0, len(said)-4000):])
		}
	})
	return p
}

func (p *process) wait() {
	p.once.Do(func() { p.err = p.cmd.Wait() })
}

// kill ends a worker like a crash, and notes it in the journal.
func (f *fleet) kill(p *process) {
	f.leave(p)
	_ = p.cmd.Process.Kill()
	p.wait()
	f.log.add(entry{what: killed, worker: p.Name}, nil)
}

// terminate asks workers to end, all at once, and waits until they have ended without an error.
func (f *fleet) terminate(ps ...*process) {
	f.t.Helper()
	for _, p := range ps {
		f.leave(p)
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range ps {
		late := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
		p.wait()
		late.Stop()
		if p.err != nil {
			f.t.Fatalf("%s was asked to end and ended with: %v", p.Name, p.err)
		}
	}
}

func (f *fleet) leave(p *process) {
	f.live = slices.DeleteFunc(slices.Clone(f.live), func(q *process) bool { return p == q })
}

// release ends the poison in all running workers. Those that join later start with it.
func (f *fleet) release() {
	f.log.add(entry{what: fixed}, nil)
	for _, p := range f.live {
		if _, err := io.WriteString(p.stdin, releaseLine+"\n"); err != nil {
			f.t.Fatalf("%s cannot be released: %v", p.Name, err)
		}
	}
}

// now returns the current length of the journal.
func (f *fleet) now() int {
	es, _, _ := f.log.since(0)
	return len(es)
}

// await waits for count more wanted lines, and returns the last.
func (f *fleet) await(what string, count int, wanted func(entry) bool) entry {
	f.t.Helper()
	return f.awaitFrom(f.now(), what, count, wanted)
}

// awaitFrom is await from line n on.
func (f *fleet) awaitFrom(n int, what string, count int, wanted func(entry) bool) entry {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	e, err := f.log.await(ctx, n, func(e entry) bool {
		if wanted(e) {
			count--
		}
		return count == 0
	})
	if err != nil {
		f.t.Fatalf("waited for %s, %d more: %v", what, count, err)
	}
	return e
}

// named returns the running worker of that name, or nil.
func (f *fleet) named(name string) *process {
	if i := slices.IndexFunc(f.live, func(p *process) bool { return p.Name == name }); i >= 0 {
		return f.live[i]
	}
	return nil
}

// judge judges all that was written to the journal.
func (f *fleet) judge(keys [][]string, l limits) *verdict {
	f.t.Helper()
	es, _, _ := f.log.since(0)
	if f.log.err != nil {
		f.t.Fatal(f.log.err)
	}
	v := judge(es, keys, l)
	f.t.Log(v)
	if p := v.problem(); p != "" {
		f.t.Error(p)
	}
	return v
}

// victim lets the fleet work for a while and chooses who dies then: usually a working one,
// sometimes any, which may still be joining.
func (f *fleet) victim() *process {
	f.t.Helper()
	if p := f.atWork(); f.rng.IntN(4) > 0 {
		return p
	}
	return f.live[f.rng.IntN(len(f.live))]
}

// atWork lets the fleet work for a while and returns the last worker that did any.
func (f *fleet) atWork() *process {
	f.t.Helper()
	var p *process
	f.await("records to be done", 20+f.rng.IntN(260), func(e entry) bool {
		q := f.named(e.worker)
		if e.what != done || q == nil {
			return false
		}
		p = q
		return true
	})
	return p
}
