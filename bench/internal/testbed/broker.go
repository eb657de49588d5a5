package testbed

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

// role in the environment makes this process a broker.
const role = "LANEWAY_BENCH_BROKER"

// Serve makes this process a broker until its standard input ends, if [Start] started it, and
// reports whether it did.
func Serve() bool {
	if os.Getenv(role) == "" {
		return false
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer c.Close()
	fmt.Println(c.ListenAddrs()[0])
	_, _ = io.Copy(io.Discard, os.Stdin)
	return true
}

// Start runs kfake in a process of its own, so that the broker's work is not counted as a client's.
// It starts this program again, whose main or TestMain must begin with [Serve]. stop ends it.
func Start() (addr string, stop func(), err error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), role+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		in.Close()
		_ = cmd.Wait()
	}
	if addr, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		stop()
		return "", nil, fmt.Errorf("testbed: the broker's process printed no address: %w", err)
	}
	return strings.TrimSpace(addr), stop, nil
}
