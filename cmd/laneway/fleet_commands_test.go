package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/laneway-go/laneway/ops/admin"
)

// haltedCrew returns a fleet in which a partition is halted, and two keys of another are parked.
func haltedCrew(t *testing.T, opts ...admin.Option) *crew {
	t.Helper()
	c := start(t, opts...)
	c.put(0, "fine")
	c.put(0, "bad 1")
	c.put(3, "out 1")
	c.put(3, "out 2")
	return c
}

// ids returns the ids of the halts, the oldest first.
func (c *crew) ids() (ids []string) {
	c.t.Helper()
	var body struct{ Halts []struct{ ID string } }
	must(c.t, json.Unmarshal([]byte(c.runs("rita", "halts", "-o", "json").out), &body))
	for _, h := range body.Halts {
		ids = append(ids, h.ID)
	}
	return ids
}

// ends checks the exit code of a command and what it says.
func (c *crew) ends(code int, says, who string, args ...string) {
	c.t.Helper()
	r := c.runs(who, args...)
	if exitCode(r.err) != code || !strings.Contains(r.full(), says) {
		c.t.Errorf("laneway %v ended with %d, want %d and %q:\n%s", args, exitCode(r.err), code, says, r.full())
	}
}

func TestFleetCommands(t *testing.T) {
	t.Run("say that nothing is wrong", func(t *testing.T) {
		c := start(t)
		s := newTranscript(c)
		for _, args := range []string{"status", "status --all", "halts", "explain", "resume --all"} {
			s.show(c, "nobody", strings.Fields(args)...)
		}
		s.is(t, "fine")
	})
	t.Run("show what is wrong, why, and what to do", func(t *testing.T) {
		c := haltedCrew(t, admin.Previews(nil))
		s := newTranscript(c)
		s.show(c, "nobody", "status")
		s.show(c, "nobody", "halts")
		s.show(c, "rita", "halts")
		s.show(c, "rita", "halts", c.ids()[0])
		s.show(c, "rita", "explain")
		s.show(c, "nobody", "explain", "orders/0")
		s.show(c, "nobody", "explain", "orders[1]", "orders[9]")
		s.show(c, "rita", "explain", "orders/3", "--keys")
		s.show(c, "nobody", "explain", "orders/3", "--keys")
		s.is(t, "wrong")
	})
	t.Run("show the same as JSON", func(t *testing.T) {
		c := haltedCrew(t)
		s := newTranscript(c)
		s.show(c, "rita", "halts", "-o", "json")
		s.show(c, "rita", "explain", "orders/0", "-o", "json")
		s.show(c, "olaf", "resume", c.ids()[0], "-n", "-o", "json")
		s.is(t, "json")
	})
	t.Run("release what is halted", func(t *testing.T) {
		c := haltedCrew(t)
		s := newTranscript(c)
		ids := c.ids()
		s.show(c, "olaf", "resume", "--all", "--step", "charge", "-n")
		s.show(c, "olaf", "skip", ids[0][:8], "-n")
		if got := c.ids(); !slices.Equal(got, ids) {
			t.Fatalf("a dry run has changed something: %v, were %v", got, ids)
		}
		s.show(c, "rita", "skip", ids[0])
		s.show(c, "nobody", "skip", ids[0])
		s.show(c, "olaf", "skip", ids[0])
		c.fixed.Store(true)
		s.show(c, "olaf", "resume", ids[1], ids[2])
		c.until(func() bool { return c.log.Committed(0) == 2 && c.log.Committed(3) == 2 })
		s.show(c, "olaf", "halts")
		s.is(t, "release")
	})
	t.Run("say who was faster", func(t *testing.T) {
		c := haltedCrew(t)
		s := newTranscript(c)
		id := c.ids()[0]
		s.show(c, "olaf", "resume", id) // it fails again
		c.until(func() bool { return c.halts == 4 })
		s.show(c, "olaf", "skip", id)
		s.show(c, "olaf", "halts", id)
		s.is(t, "faster")
	})
	t.Run("pause partitions and read them on", func(t *testing.T) {
		c := start(t)
		s := newTranscript(c)
		s.show(c, "olaf", "pause", "orders/1", "-n")
		s.show(c, "olaf", "pause", "orders/1", "orders/7")
		s.show(c, "olaf", "status")
		s.show(c, "olaf", "halts")
		s.show(c, "olaf", "skip", c.ids()[0])
		s.show(c, "olaf", "unpause", "orders/1", "-n")
		s.show(c, "olaf", "unpause", "orders/1")
		s.show(c, "olaf", "unpause", "orders/1")
		s.show(c, "olaf", "pause", "--all")
		s.show(c, "olaf", "resume", "--all")
		s.show(c, "olaf", "unpause", "--all")
		s.is(t, "pause")
	})
	t.Run("set a degree and a rate until restart", func(t *testing.T) {
		c := start(t)
		s := newTranscript(c)
		s.show(c, "olaf", "degree", "charge", "2", "-n")
		s.show(c, "olaf", "degree", "charge", "2")
		s.show(c, "olaf", "degree", "charge", "2")
		s.show(c, "olaf", "rate", "100", "-n")
		s.show(c, "olaf", "rate", "100")
		s.show(c, "nobody", "status")
		s.show(c, "rita", "degree", "charge", "8")
		s.show(c, "olaf", "degree", "charge", "8")
		s.show(c, "olaf", "rate", "none", "-o", "json")
		s.show(c, "nobody", "status")
		s.show(c, "olaf", "degree", "refund", "2")
		s.show(c, "olaf", "rate", "5", "--step", "charge")
		s.is(t, "tune")
	})
	t.Run("park a key and release it", func(t *testing.T) {
		c := start(t)
		s := newTranscript(c)
		s.show(c, "olaf", "park", "orders/1", "c-7", "-n")
		s.show(c, "olaf", "park", "orders/1", "c-7")
		s.show(c, "olaf", "park", "orders/1", "Yy04", "--base64", "--for", "8760h")
		s.show(c, "olaf", "park", "orders/1", "c-7")
		s.show(c, "olaf", "park", "orders/7", "c-7")
		s.show(c, "nobody", "halts")
		s.show(c, "olaf", "halts")
		s.show(c, "olaf", "halts", c.ids()[0])
		s.show(c, "olaf", "skip", c.ids()[0])
		s.show(c, "olaf", "resume", "--all")
		s.show(c, "olaf", "resume", c.ids()[0])
		s.is(t, "park")
	})
	t.Run("drain processes", func(t *testing.T) {
		c := start(t)
		s := newTranscript(c)
		s.show(c, "olaf", "drain", "--all", "-n")
		s.show(c, "rita", "drain", c.addrs[1])
		s.show(c, "olaf", "drain", "10.9.9.9")
		s.show(c, "olaf", "drain", c.addrs[1])
		c.stops[1]() // returns once it has ended
		s.show(c, "olaf", "drain", c.addrs[1])
		s.is(t, "drain")
	})
	t.Run("say which replica does not answer, and continue with the others", func(t *testing.T) {
		c := haltedCrew(t)
		s := newTranscript(c)
		ids := c.ids()
		c.stops[1]()
		for _, args := range []string{"status", "halts", "explain", "resume --all -n", "halts " + ids[1]} {
			s.show(c, "olaf", strings.Fields(args)...)
		}
		s.show(c, "olaf", "explain", "orders/3")
		c.stops[0]()
		s.show(c, "olaf", "status")
		s.is(t, "silent")
	})
	t.Run("are refused with a wrong token, and without one where one is needed", func(t *testing.T) {
		c := haltedCrew(t)
		s := newTranscript(c)
		s.show(c, "eve", "status")
		s.show(c, "eve", "resume", "--all")
		s.show(c, "nobody", "resume", "--all", "--step", "charge")
		s.is(t, "refused")
	})
	t.Run("take the token from the environment", func(t *testing.T) {
		c := start(t)
		t.Setenv(tokenVariable, operates)
		c.ends(0, "done: pause", "", "pause", "orders/1")
	})
	t.Run("refuse a wrong command line before they ask anybody", func(t *testing.T) {
		c := start(t)
		empty := c.tokens["olaf"] + "-empty"
		must(t, os.WriteFile(empty, nil, 0o600))
		for args, says := range map[string]string{
			"resume":                           "needs the ids of halts",
			"resume abc --all":                 "exclude each other",
			"resume abc --step charge":         "--step needs --all",
			"skip abc --from 3":                "--from needs --to",
			"skip abc def --from 3 --to 4":     "for one halt",
			"pause":                            "needs partitions, or --all",
			"pause orders":                     `"orders" is no partition`,
			"pause orders/1 --for -1s":         "longer than 0",
			"park orders/1":                    "a partition and keys of it",
			"park orders/1 ? --base64":         "is not base64",
			"pause orders/-1":                  "is no partition",
			"explain orders[x]":                "is no partition",
			"drain":                            "needs replicas, or --all",
			"degree charge":                    "takes a step and a number",
			"degree charge 0":                  "is no degree: use a number from 1 on",
			"degree charge few":                "is no degree",
			"rate":                             "takes a number, or none",
			"rate 0":                           "none for no limit",
			"rate NaN":                         "is no rate",
			"status orders":                    "takes no arguments",
			"status -o yaml":                   "use table or json",
			"status --timeout 0s":              "longer than 0",
			"status -pipeline x":               "write --pipeline",
			"status --pipeline refunds":        "no replica has a pipeline refunds",
			"status --token-file " + empty:     "is empty",
			"status --ca " + c.tokens["olaf"]:  "no PEM certificate",
			"status --cert /nowhere --key x":   "--cert and --key",
			"halts --token-file /nowhere/else": "--token-file",
			"statsu":                           "perhaps status",
		} {
			c.ends(exitUsage, says, "", strings.Fields(args)...)
		}
	})
}

func TestCompletion(t *testing.T) {
	c := haltedCrew(t)
	ids := c.ids()
	for args, want := range map[string]string{
		"resume":               ids[0][:8] + "\thalted orders[0]@1\n" + ids[1][:8],
		"skip " + ids[0][:8]:   ids[1][:8] + "\tparked key orders[3]@0\n" + ids[2][:8],
		"halts":                ids[0][:8],
		"explain":              "orders/0\tis halted by charge",
		"pause orders/0":       "orders/1\t",
		"degree":               "charge\t8 at a time, built with 8\n:4\n",
		"degree charge":        ":4\n",
		"rate":                 "none\n:4\n",
		"drain":                c.addrs[0] + "\n" + c.addrs[1],
		"status":               ":4\n", // nothing, and no files
		"status --output json": ":4\n",
	} {
		args := append([]string{"__complete"}, strings.Fields(args)...)
		var out, errs bytes.Buffer
		must(t, run(t.Context(), append(args, "--at", strings.Join(c.addrs, ","), ""), &out, &errs))
		if !strings.HasPrefix(out.String(), want) {
			t.Errorf("%v: %q, want %q", args, out.String(), want)
		}
	}
	t.Setenv(atVariable, "127.0.0.1:1")
	var out, errs bytes.Buffer
	must(t, run(t.Context(), []string{"__complete", "resume", ""}, &out, &errs))
	if out.String() != ":4\n" {
		t.Errorf("without an answer: %q", out.String())
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("key\x1b[2J\u202e\a\nnext\tcell é"); got != "key\uFFFD[2J\uFFFD\uFFFD\nnext\tcell é" {
		t.Errorf("%q", got)
	}
	if got := cell("one\ntwo"); got != "one…" {
		t.Errorf("%q", got)
	}
	if got := cell(strings.Repeat("é", 200)); got != strings.Repeat("é", 160)+"…" {
		t.Errorf("%q", got)
	}
}
