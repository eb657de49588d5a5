package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the transcripts in testdata")

// transcript is what commands have said, as a file in testdata has it.
type transcript struct {
	strings.Builder
	names map[string]string // for what differs from run to run
}

func newTranscript(c *crew) *transcript {
	s := &transcript{names: map[string]string{}}
	s.learn(c)
	return s
}

// learn gives names to the halts that there are.
func (s *transcript) learn(c *crew) {
	for _, id := range c.ids() {
		s.name("HALT", id[:8])
	}
}

// show runs a command and writes it down.
func (s *transcript) show(c *crew, who string, args ...string) {
	c.t.Helper()
	if who == "" {
		who = "nobody"
	}
	s.learn(c)
	r := c.runs(strings.TrimPrefix(who, "nobody"), args...)
	fmt.Fprintf(s, "%s$ laneway %s\n%s\n", who, s.plain(c, strings.Join(args, " ")), s.plain(c, r.full()))
}

var (
	haltID   = regexp.MustCompile(`\b[0-9a-f]{8}([0-9a-f]{16})?\b`)
	instance = regexp.MustCompile(`\b[A-Z2-7]{26}\b`)
	stamp    = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)`)
	duration = regexp.MustCompile(`\b[0-9.]+(µs|ms|s)\b`)
	spaces   = regexp.MustCompile(`(\S)   *`)
)

// plain replaces what differs from run to run.
func (s *transcript) plain(c *crew, text string) string {
	if c != nil {
		for i, addr := range c.addrs {
			text = strings.ReplaceAll(text, addr, fmt.Sprintf("10.0.0.%d:7070", i+1))
		}
	}
	text = haltID.ReplaceAllStringFunc(text, func(id string) string { return cmp.Or(s.names["HALT"+id[:8]], id) })
	text = instance.ReplaceAllStringFunc(text, func(id string) string { return s.name("PROCESS", id) })
	text = stamp.ReplaceAllString(text, "TIME")
	text = duration.ReplaceAllString(text, "0s")
	text = spaces.ReplaceAllString(text, "$1  ")
	return regexp.MustCompile(`(?m) +$`).ReplaceAllString(text, "")
}

func (s *transcript) name(kind, of string) string {
	if s.names[kind+of] == "" {
		n := 1
		for known := range s.names {
			if strings.HasPrefix(known, kind) {
				n++
			}
		}
		s.names[kind+of] = fmt.Sprintf("%s%d", kind, n)
	}
	return s.names[kind+of]
}

// is compares the transcript with its file, which -update writes.
func (s *transcript) is(t *testing.T, name string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(path, []byte(s.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if s.String() != string(want) {
		t.Errorf("%s is not what the commands say; go test -update writes\n%s", path, s)
	}
}
