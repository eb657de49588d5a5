package group

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/laneway-go/laneway/internal/backoff"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestJavaClientRealKafka(t *testing.T) {
	console := os.Getenv("KAFKA_CONSOLE_CONSUMER")
	if atRealKafka(t); console == "" {
		t.Skip("KAFKA_CONSOLE_CONSUMER is not set: this test needs Java's console consumer")
	}
	for balancer, class := range map[Balancer]string{CooperativeSticky: "CooperativeStickyAssignor", Sticky: "StickyAssignor", Range: "RangeAssignor"} {
		for _, first := range []string{"ours", "java"} {
			t.Run(fmt.Sprintf("%s/%s leads", balancer, first), func(t *testing.T) {
				c, f := atRealKafka(t), newFloor()
				ours := newWorker(t, c, f, "ours", func(w *worker) { w.cfg.Balancers = []Balancer{balancer} })
				if first == "ours" {
					ours.start(t)
					f.awaitShares(t, map[string]int{"ours": 6})
					stop := startJava(t, c, console, class)
					f.awaitShares(t, map[string]int{"ours": 3})
					stop()
					f.awaitShares(t, map[string]int{"ours": 6})
				} else {
					startJava(t, c, console, class)
					awaitMember(t, c, ours.cl)
					ours.start(t)
					f.awaitShares(t, map[string]int{"ours": 3})
				}
				if len(ours.lost) > 0 {
					t.Errorf("lost %v: %v", ours.lost, ours.lostErr)
				}
			})
		}
	}
}

// startJava joins Java's console consumer; stop makes it leave.
func startJava(t *testing.T, c *realKafka, console, assignor string) (stop func()) {
	t.Helper()
	args := append(strings.Fields(console), "--bootstrap-server", c.addrs[0], "--topic", "group-orders", "--group", c.group,
		"--consumer-property", "heartbeat.interval.ms=200", "--consumer-property", "session.timeout.ms=3000",
		"--consumer-property", "partition.assignment.strategy=org.apache.kafka.clients.consumer."+assignor)
	cmd := exec.Command(args[0], args[1:]...)
	// the command may be a script around Java
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// awaitMember polls until the group is stable with one member, since another process offers no
// event.
func awaitMember(t *testing.T, c *realKafka, cl *client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{c.group}
	for {
		resp, err := req.RequestWith(ctx, cl.kgo)
		if err == nil && len(resp.Groups) == 1 && resp.Groups[0].State == "Stable" && len(resp.Groups[0].Members) == 1 {
			return
		}
		if !backoff.Pause(ctx, 50*time.Millisecond) {
			t.Fatalf("the Java consumer has not joined: %v, %v", resp, err)
		}
	}
}
