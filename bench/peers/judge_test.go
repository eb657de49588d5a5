package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc"
)

func judged(j job) *judge {
	j.From, j.To = make([]int64, 2), []int64{4, 4}
	return newJudge(j, 10, func() {}, func() {})
}

func TestJudgeCountsWhatIsOvertakenOnce(t *testing.T) {
	g := judged(job{})
	for _, offset := range []int64{0, 2, 1, 3} {
		_ = g.handle(0, offset, nil)
	}
	_ = g.handle(1, 0, nil) // another partition is not overtaken
	if got := g.broken.Load(); got != 1 {
		t.Fatalf("%d out of order, not 1", got)
	}
}

func TestJudgeKnowsARepeatedRecordFromAnOvertakenOne(t *testing.T) {
	g := judged(job{})
	for _, offset := range []int64{0, 1, 0, 1, 2} {
		_ = g.handle(0, offset, nil)
	}
	if b, r := g.broken.Load(), g.repeated.Load(); b != 0 || r != 2 {
		t.Fatalf("%d out of order and %d repeated, not 0 and 2", b, r)
	}
}

func TestJudgeSeesTwoOfAKeyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := judged(job{Keyed: true, Takes: time.Millisecond})
		var wg conc.WaitGroup
		for i, key := range []string{"key-0001", "key-0002", "key-0001"} {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Microsecond)
				_ = g.handle(0, int64(i), []byte(key))
			})
		}
		wg.Wait()
		if got := g.broken.Load(); got != 1 {
			t.Fatalf("%d out of order, not 1", got)
		}
	})
}

func TestJudgeTellsWhenAllIsHandled(t *testing.T) {
	g := judged(job{})
	told := ""
	g.first, g.all = func() { told += "first " }, func() { told += "all" }
	for p := range int32(2) {
		for offset := range int64(4) {
			_ = g.handle(p, 0, nil)
			if told != "first " {
				t.Fatalf("told %q too early", told)
			}
			_ = g.handle(p, offset, nil)
		}
	}
	if told != "first all" {
		t.Fatalf("told %q", told)
	}
}

func TestRecordThatNeitherWorkerHandledIsLost(t *testing.T) {
	var v verdict
	// Offsets 0, 1 and 3 by the first worker, 4 by the mended one, which began at 3 and did 3 again; 2 by none.
	v.tally([]int64{5}, [][]uint32{{0b01011}}, []int64{3}, [][]uint32{{0b11}})
	if v.lost != 1 || v.repeated != 1 {
		t.Fatalf("%d lost and %d repeated, not 1 and 1", v.lost, v.repeated)
	}
}

func TestTableSaysWhereAPeerIsFaster(t *testing.T) {
	turns := func(ms ...time.Duration) (os []*outcome) {
		for _, d := range ms {
			os = append(os, &outcome{wall: d * time.Millisecond})
		}
		return os
	}
	var out bytes.Buffer
	speeds(&out, work{name: "W1", records: 1000}, []row{
		{peer{name: "ours"}, turns(100, 110, 400)},
		{peer{name: "quick"}, turns(50, 100, 200)}, // 2.00, 1.10 and 2.00 × as fast in the same round
		{peer{name: "slow"}, append(turns(200, 220), nil)},
	})
	for _, want := range []string{"| quick | 10,000 | 2.00 |", "| slow (did not finish 1 of 3 times) | 4,545 | 0.50 |", "\nquick is 2.00 × as fast as Laneway here.\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
}
