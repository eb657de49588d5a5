package stream_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// atWork checks how many elements are worked on.
func atWork(t *testing.T, when string, w *work, want int) {
	t.Helper()
	if got := w.now(); len(got) != want {
		t.Errorf("%s: %v at work, want %d", when, got, want)
	}
}

// keys is one value of each of n keys.
func keys(n int) (vs []string) {
	for i := range n {
		vs = append(vs, fmt.Sprintf("%c0", 'a'+i))
	}
	return vs
}

// upper is the values in capitals, to tell them from others.
func upper(vs []string) []string { return strings.Fields(strings.ToUpper(strings.Join(vs, " "))) }

var named = stream.Named("charge")

func TestSetDegree(t *testing.T) {
	for name, chain := range map[string]func(s strs, w *work) strs{
		"ungrouped":    func(s strs, w *work) strs { return s.Concurrent(8, w.do, named) },
		"by key":       func(s strs, w *work) strs { return s.GroupByKey().Concurrent(8, w.do, named) },
		"in order":     func(s strs, w *work) strs { return s.MapConcurrent(8, w.echo, named, stream.KeepOrder()) },
		"in turn":      func(s strs, w *work) strs { return s.GroupByKey().Concurrent(8, w.do, named, stream.MaxPartitions(1)) },
		"in a branch":  func(s strs, w *work) strs { return s.AlsoTo(func(s strs) strs { return s.Concurrent(8, w.do, named) }) },
		"second stage": func(s strs, w *work) strs { return s.Concurrent(50, pass).Concurrent(8, w.do, named) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("lowers it without ending what runs, and raises it beyond the built one", func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, w := newLog(1), newWork()
					put(l, 0, keys(26)...)
					w.takes = 10 * time.Second
					j := start(t, l, commitNow(chain(input, w)))
					atWork(t, "as built", w, 8)
					j.setDegree("charge", 3)
					atWork(t, "lowered", w, 8)
					elapse(10 * time.Second)
					if n := len(w.done()); n != 8 {
						t.Errorf("%d are done, want the 8 that ran", n)
					}
					atWork(t, "once these are done", w, 3)
					if d := j.degree("charge"); d.Built != 8 || d.Now != 3 || d.Busy != 3 {
						t.Errorf("Snapshot: %+v", d)
					}
					j.setDegree("charge", 12)
					atWork(t, "raised", w, 12)
					elapse(time.Minute)
					sameSet(t, "done", w.done(), keys(26))
					if len(w.causes) > 0 {
						t.Errorf("contexts ended: %v", w.causes)
					}
					j.committed(26)
				})
			})
		})
	}
	t.Run("keeps the order of each key, whenever it changes", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			for i := range 60 {
				put(l, 0, fmt.Sprint("a", i), fmt.Sprint("b", i), fmt.Sprint("c", i))
				put(l, 1, fmt.Sprint("d", i), fmt.Sprint("e", i))
			}
			w.takes = 10 * time.Millisecond
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(5, w.do, named)))
			for i := range 150 {
				elapse(7 * time.Millisecond)
				j.setDegree("charge", 1+i%6)
			}
			elapse(time.Minute)
			for _, k := range []string{"a", "b", "c", "d", "e"} {
				same(t, "key "+k, w.doneOf(k), count(k, 60))
			}
			j.committed(180, 120)
		})
	})
	t.Run("lets a lane go after each element while too many run", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			for i := range 5 {
				put(l, 0, fmt.Sprint("a", i), fmt.Sprint("b", i))
			}
			w.takes = time.Second
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(2, w.do, named)))
			j.setDegree("charge", 1)
			for range 9 {
				elapse(time.Second)
				if n := len(w.now()); n > 1 {
					t.Fatalf("%v at work, want one", w.now())
				}
			}
			elapse(time.Minute)
			j.committed(10)
		})
	})
	t.Run("has elements go on after a retry before new ones begin", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom).fail("b0", errBoom)
			put(l, 0, keys(8)...)
			w.takes = 10 * time.Second
			j := start(t, l, commitNow(input.Concurrent(2, w.do, named).RetryOnError(every(time.Second, 3))))
			elapse(10 * time.Second) // a0 and b0 wait, c0 and d0 run
			j.setDegree("charge", 1)
			elapse(11 * time.Second)
			atWork(t, "then", w, 1)
			elapse(20 * time.Second)
			sameSet(t, "done first", w.done()[:4], []string{"a0", "b0", "c0", "d0"})
			elapse(time.Minute)
			j.committed(8)
		})
	})
	t.Run("raises it for a retry that waits for a worker, too", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().fail("a0", errBoom)
			put(l, 0, keys(3)...)
			defer w.hold("b0")()
			defer w.hold("c0")()
			j := start(t, l, commitNow(input.Concurrent(2, w.do, named).RetryOnError(every(time.Second, 2))))
			elapse(time.Second)
			atWork(t, "as built", w, 2)
			j.setDegree("charge", 3)
			elapse(time.Millisecond)
			same(t, "done", w.done(), []string{"a0"})
		})
	})
	t.Run("below a Merge is one for both sources, and above it each chain has its own", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, own, w := newPair(), newWork(), newWork()
			put(p.eu, 0, keys(12)...)
			put(p.us, 0, upper(keys(12))...)
			own.takes, w.takes = 10*time.Second, 10*time.Second
			eu := from().As("eu").Concurrent(4, own.do, stream.Named("check"))
			j := p.start(t, commitNow(stream.Merge(eu, from().As("us")).Concurrent(6, w.do, named)))
			j.setDegree("check", 1)
			j.setDegree("charge", 2)
			elapse(10 * time.Second)
			atWork(t, "above", own, 1)
			atWork(t, "below", w, 2)
			elapse(10 * time.Minute)
			p.committed(t, 12, 12)
		})
	})
	t.Run("is no reason for a drain to leave anything", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork()
			put(l, 0, keys(8)...)
			w.takes = time.Second
			j := start(t, l, commitNow(input.Concurrent(8, w.do, named)))
			j.setDegree("charge", 1)
			must(t, j.stop())
			j.committed(8)
		})
	})
	t.Run("ends with the run", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			j := start(t, l, commitNow(input.Concurrent(8, pass, named)))
			j.setDegree("charge", 1)
			must(t, j.stop())
			if err := j.SetDegree("charge", 1, 2); !errors.Is(err, stream.ErrNotRunning) {
				t.Errorf("without a run: %v", err)
			}
			if d := j.Describe().String(); strings.Contains(d, "until restart") {
				t.Errorf("after the run:\n%s", d)
			}
		})
	})
	t.Run("is refused", func(t *testing.T) {
		chain := input.GroupByKey().Map(echo, stream.Named("parse")).Concurrent(8, pass, named).
			Ungroup().Serial(pass, stream.Named("write")).Concurrent(1, pass, stream.Named("alone"))
		for name, c := range map[string]struct {
			step    string
			seen, n int
			says    []string
		}{
			"for Serial":                    {"write", 1, 2, []string{"write cannot be set", "one element at a time", "LW240"}},
			"for a Concurrent of 1":         {"alone", 1, 2, []string{"its function may rely on that"}},
			"for a word in other workers":   {"parse", 8, 2, []string{"it runs in the workers of charge"}},
			"for a step that is not there":  {"chagre", 8, 2, []string{"no such step", "can be set for charge"}},
			"below 1":                       {"charge", 8, 0, []string{"use at least 1", "Pause"}},
			"if it is not the one seen":     {"charge", 7, 2, []string{"the degree of charge is 8, not 7", "LW239"}},
			"if another one is seen, by n ": {"charge", 2, 2, []string{"is 8, not 2"}},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					j := start(t, newLog(1), commitNow(chain))
					err := j.SetDegree(c.step, c.seen, c.n)
					says(t, err, c.says...)
					if stale := errors.Is(err, stream.ErrSeen); stale != (c.seen != 8 && c.step == "charge") {
						t.Errorf("ErrSeen: %v, of %v", stale, err)
					}
					if now := j.degree("charge").Now; now != 8 {
						t.Errorf("the degree is %d all the same", now)
					}
				})
			})
		}
	})
	t.Run("that is lowered is told by Describe and Explain", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(2), newWork()
			for _, v := range append(keys(2), "z0") {
				w.hold(v)
			}
			put(l, 1, keys(2)...)
			j := start(t, l, commitNow(input.GroupByKey().Concurrent(8, w.do, named)))
			j.setDegree("charge", 2)
			put(l, 0, "z0")
			elapse(time.Minute)
			e := j.explains(stream.CauseWorkers, nil, "waits for a worker, for 1m0s; the degree of charge was set to 2 until restart, and built with 8\n")
			if e.Setting != "the degree of charge was set to 2 until restart, and built with 8" {
				t.Errorf("Setting: %q", e.Setting)
			}
			if d := j.Describe().String(); !strings.Contains(d, "up to 8 keys at a time, set to 2 until restart;") {
				t.Errorf("Describe:\n%s", d)
			}
			j.setDegree("charge", 8)
			elapse(time.Minute)
			if e := j.explains(stream.CauseHandler, nil); e.Setting != "" || strings.Contains(j.Describe().String(), "restart") {
				t.Errorf("as built again, Setting: %q", e.Setting)
			}
			w.release()
		})
	})
}
