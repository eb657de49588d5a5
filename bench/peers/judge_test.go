package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/laneway-go/laneway/bench/internal/testbed"
)

// Both handlers must pass: the quick one and the audit.
func TestJudge(t *testing.T) {
	type judged struct {
		told   string
		handle handler
		report func() report
	}
	both := func(t *testing.T, j job, do func(t *testing.T, g *judged)) {
		for _, audit := range []bool{false, true} {
			t.Run(map[bool]string{false: "quick", true: "audit"}[audit], func(t *testing.T) {
				j.Audit = audit
				j.give(make([]int64, testbed.Partitions), testbed.Even().Ends(8*125*4))
				var g judged
				g.handle, g.report, _ = handlerOf(j, func() { g.told += "first " }, func() { g.told += "all" })
				do(t, &g)
			})
		}
	}
	t.Run("counts an overtaken record", func(t *testing.T) {
		both(t, job{}, func(t *testing.T, g *judged) {
			for _, offset := range []int64{0, 2, 1, 3} {
				_ = g.handle(0, offset, nil)
			}
			_ = g.handle(1, 0, nil) // another partition is not overtaken
			if got := g.report().Disordered; got != 1 {
				t.Errorf("%d out of order, want 1", got)
			}
		})
	})
	t.Run("lets a key overtake another one", func(t *testing.T) {
		both(t, job{Keyed: true, Keys: "even"}, func(t *testing.T, g *judged) {
			// A partition has 125 keys, one after another.
			for _, offset := range []int64{1, 0, 125, 126} {
				_ = g.handle(0, offset, nil)
			}
			if got := g.report().Disordered; got != 0 {
				t.Errorf("%d out of order, want 0", got)
			}
			_ = g.handle(0, 376, nil)
			_ = g.handle(0, 251, nil)
			if got := g.report().Disordered; got != 1 {
				t.Errorf("%d out of order, want 1", got)
			}
		})
	})
	t.Run("reports when all records are handled", func(t *testing.T) {
		both(t, job{Keyed: true, Keys: "even"}, func(t *testing.T, g *judged) {
			for p := range int32(testbed.Partitions) {
				for offset := range int64(500) {
					if got := g.told; got != "first " && got != "" {
						t.Fatalf("reported %q before %d of partition %d", got, offset, p)
					}
					_ = g.handle(p, 0, nil)
					_ = g.handle(p, offset, nil)
				}
			}
			if g.told != "first all" {
				t.Errorf("reported %q", g.told)
			}
			if got := g.report().Missing; got != 0 {
				t.Errorf("%d missing", got)
			}
		})
	})
}

func TestKeyedJudge(t *testing.T) {
	t.Run("sees two records of a key at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			j := job{Keyed: true, Keys: "even", Takes: time.Millisecond}
			j.give(make([]int64, testbed.Partitions), testbed.Even().Ends(8*125*4))
			g := newJudge(j, func() {}, func() {})
			var wg conc.WaitGroup
			for i, offset := range []int64{0, 1, 125} { // the first and the last have one key
				wg.Go(func() {
					time.Sleep(time.Duration(i) * time.Microsecond)
					g.work(&g.busy[g.Lane(0, offset)])
				})
			}
			wg.Wait()
			if got := g.report().Disordered; got != 1 {
				t.Fatalf("%d at once with another of their key, want 1", got)
			}
		})
	})
}

func TestAudit(t *testing.T) {
	t.Run("tells a repeated record from an overtaken one", func(t *testing.T) {
		j := job{Audit: true}
		j.give(make([]int64, 2), []int64{4, 4})
		a := newAudit(j, func() {}, func() {})
		for _, offset := range []int64{0, 1, 0, 1, 2} {
			_ = a.handle(0, offset, nil)
		}
		if r := a.report(); r.Disordered != 0 || r.Repeated != 2 {
			t.Fatalf("%d out of order and %d repeated, want 0 and 2", r.Disordered, r.Repeated)
		}
	})
}

func TestLateness(t *testing.T) {
	t.Run("counts from the intended send time", func(t *testing.T) {
		j := job{Paced: true, To: []int64{10}, From: []int64{0}}
		l := newLateness(j)
		now := time.Unix(1000, 0)
		value := make([]byte, 8)
		l.note(value, now) // a warm-up record
		setDue(value, now.Add(-1500*time.Microsecond))
		l.note(value, now)
		if got := l.measured(); !slices.Equal(got, []int32{1500}) {
			t.Fatalf("measured %v µs, want 1500", got)
		}
	})
}

func TestTally(t *testing.T) {
	t.Run("counts a record handled by no worker as lost", func(t *testing.T) {
		var v verdict
		// The first worker handled offsets 0, 1 and 3. The fixed one started at 3, repeated 3 and
		// handled 4. None handled 2.
		v.tally([]int64{5}, [][]uint32{{0b01011}}, []int64{3}, [][]uint32{{0b11}})
		if v.lost != 1 || v.repeated != 1 {
			t.Fatalf("%d lost and %d repeated, want 1 and 1", v.lost, v.repeated)
		}
	})
}

func TestTable(t *testing.T) {
	t.Run("says where a peer is faster", func(t *testing.T) {
		turns := func(ms ...time.Duration) (os []*outcome) {
			for _, d := range ms {
				os = append(os, &outcome{wall: d * time.Millisecond})
			}
			return os
		}
		var out bytes.Buffer
		speeds(&out, work{name: "W1", records: 1000}, []row{
			{peer: peer{name: "ours"}, outcomes: turns(100, 110, 400)},
			// 2.00, 1.10 and 2.00 × as fast in the same round
			{peer: peer{name: "quick"}, outcomes: turns(50, 100, 200)},
			{peer: peer{name: "slow"}, outcomes: append(turns(200, 220), nil)},
			{peer: peer{name: "slower"}, outcomes: append(turns(1000), nil, nil), slow: true},
		})
		for _, want := range []string{"| quick | 10,000 | 2.00 | 2.00 |", "| slow (did not finish 1 of 3 times) | 4,545 | 0.50 | 0.50 |",
			"| slower (too slow for more than 1 of 3 rounds) | 1,000 | 0.10 | 0.10 |", "\nquick is 2.00 × as fast as Laneway here.\n"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not in %s", want, out.String())
			}
		}
	})
}
