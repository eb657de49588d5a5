package stream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/laneway-go/laneway/source"
	"github.com/laneway-go/laneway/stream"
)

// supervisedVar makes the test binary a supervised worker.
const supervisedVar = "LANEWAY_SUPERVISED"

// supervised is the worker: it says where it serves and what it does, and holds its first record
// until it reads a line.
func supervised(string) int {
	p, err := source.Slice("a", "b").Serial(func(_ context.Context, v string) error {
		fmt.Println("started", v)
		_, err := bufio.NewReader(os.Stdin).ReadString('\n')
		fmt.Println("ended", v)
		return err
	}).CommitEach().Build()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	s := stream.Supervise(p).Serve("127.0.0.1:0", nil)
	go func() {
		at, err := s.Addr(context.Background())
		fmt.Println("serves", at, err)
	}()
	if err := s.Run(context.Background()); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("drained")
	return 0
}

// child is a supervised worker in a process of its own.
type child struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	said *bufio.Scanner
	at   string
}

// spawn returns when the worker serves and has started its first record.
func spawn(t *testing.T) *child {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	c := &child{t: t, cmd: exec.CommandContext(t.Context(), exe)}
	c.cmd.Env = append(os.Environ(), supervisedVar+"=1")
	c.cmd.Stderr = os.Stderr
	c.in, err = c.cmd.StdinPipe()
	must(t, err)
	out, err := c.cmd.StdoutPipe()
	must(t, err)
	must(t, c.cmd.Start())
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	c.said = bufio.NewScanner(out)
	for range 2 {
		if line := c.line(); strings.HasPrefix(line, "serves ") {
			c.at = strings.Fields(line)[1]
		} else if line != "started a" {
			t.Fatalf("it says %q", line)
		}
	}
	return c
}

// line is the next that it says; "" when it has ended.
func (c *child) line() string {
	c.said.Scan()
	return c.said.Text()
}

func (c *child) status(path string) int {
	c.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + c.at + path)
	must(c.t, err)
	must(c.t, resp.Body.Close())
	return resp.StatusCode
}

func (c *child) signal(sig os.Signal) {
	c.t.Helper()
	must(c.t, c.cmd.Process.Signal(sig))
}

// untilDraining returns when the signal has come through to the worker.
func (c *child) untilDraining() {
	c.t.Helper()
	for c.status("/readyz") != http.StatusServiceUnavailable {
	}
}

func (c *child) code() int {
	c.t.Helper()
	err := c.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	return c.cmd.ProcessState.ExitCode()
}

func TestSuperviseProcess(t *testing.T) {
	t.Run("drains on a signal", func(t *testing.T) {
		c := spawn(t)
		if live, ready := c.status("/livez"), c.status("/readyz"); live != 200 || ready != 200 {
			t.Errorf("before: /livez %d, /readyz %d", live, ready)
		}
		c.signal(syscall.SIGTERM)
		c.untilDraining()
		if live := c.status("/livez"); live != 200 {
			t.Errorf("in the drain: /livez %d", live)
		}
		_, err := io.WriteString(c.in, "go on\n")
		must(t, err)
		for _, want := range []string{"ended a", "drained", ""} { // and b was not started
			if line := c.line(); line != want {
				t.Errorf("it says %q, want %q", line, want)
			}
		}
		if code := c.code(); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
	})
	t.Run("ends on a second signal", func(t *testing.T) {
		c := spawn(t)
		c.signal(os.Interrupt)
		c.untilDraining()
		c.signal(os.Interrupt)
		if line := c.line(); line != "" {
			t.Errorf("it says %q", line)
		}
		if code := c.code(); code != 130 {
			t.Errorf("exit code %d, want 130", code)
		}
	})
}
