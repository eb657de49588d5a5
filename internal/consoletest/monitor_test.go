package consoletest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// root is the repository.
const root = "../.."

// alert is what Prometheus sends to an Alertmanager.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	EndsAt      time.Time         `json:"endsAt"`
}

// pager stands where an Alertmanager would. It tells of each alert when it fires and when it is
// resolved.
type pager struct {
	t               *testing.T
	addr            string
	fires, resolves chan alert
}

func carryPager(t *testing.T) *pager {
	t.Helper()
	p := &pager{t: t, fires: make(chan alert, 100), resolves: make(chan alert, 100)}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var all []alert
		if err := json.NewDecoder(r.Body).Decode(&all); err != nil {
			t.Errorf("the pager does not understand Prometheus: %v", err)
		}
		for _, a := range all {
			to := p.fires
			if a.EndsAt.Before(time.Now()) { // Prometheus expects one that fires to last some time
				to = p.resolves
			}
			to <- a
		}
	}))
	t.Cleanup(s.Close)
	p.addr = s.Listener.Addr().String()
	return p
}

// next is the next alert of that name which comes from a channel of the pager.
func (p *pager) next(from <-chan alert, name string) alert {
	p.t.Helper()
	late := time.After(30 * time.Second)
	for {
		select {
		case a := <-from:
			if a.Labels["alertname"] == name {
				return a
			}
		case <-late:
			p.t.Fatalf("no word of %s for 30 s", name)
		}
	}
}

// watch runs a real Prometheus until the test ends. It has the configuration and the rules of
// deploy/prometheus, with four changes: the workers' addresses, the pager's, and intervals and
// waits short enough for a test. No rule is left out, and no expression is changed.
func (p *pager) watch(prometheus string, workers ...string) {
	p.t.Helper()
	dir := p.t.TempDir()
	config := changed(p.t, "prometheus.yml",
		`_interval: 5s`, `_interval: 200ms`,
		`worker:9464`, strings.Join(workers, ", "),
		`(?m)^ *- targets: \[host.docker.internal.*\n.*\n`, ``)
	config += fmt.Sprintf("\nalerting:\n  alertmanagers:\n    - static_configs:\n        - targets: [%q]\n", p.addr)
	must(p.t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o644))
	must(p.t, os.WriteFile(filepath.Join(dir, "alerts.yml"), []byte(changed(p.t, "alerts.yml", `(?m)^( *for): \d+[mh]$`, `$1: 1s`)), 0o644))

	var said bytes.Buffer
	c := exec.Command(prometheus, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0") // it is not asked: it pages
	c.Stdout, c.Stderr = &said, &said
	must(p.t, c.Start())
	p.t.Cleanup(func() {
		must(p.t, c.Process.Signal(syscall.SIGTERM))
		if err := c.Wait(); err != nil {
			p.t.Errorf("prometheus: %v", err)
		}
		if p.t.Failed() {
			p.t.Logf("prometheus said:\n%s", said.String())
		}
	})
}

// changed is a file of deploy/prometheus in which each pattern was replaced, and was there.
func changed(t *testing.T, name string, pairs ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy/prometheus", name))
	must(t, err)
	for i := 0; i < len(pairs); i += 2 {
		pattern := regexp.MustCompile(pairs[i])
		if !pattern.Match(text) {
			t.Fatalf("%s has no %s any more", name, pairs[i])
		}
		text = pattern.ReplaceAll(text, []byte(pairs[i+1]))
	}
	return string(text)
}

// tool is the path of a program. A test without it is skipped, unless the gate requires it.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if required := "LANEWAY_REQUIRE_" + strings.ToUpper(name); os.Getenv(required) != "" {
			t.Fatal(err)
		}
		t.Skipf("there is no %s: apt-get install %[1]s", name)
	}
	return path
}
