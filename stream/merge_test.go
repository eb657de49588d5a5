package stream_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// pair is two logs of one topic name, which chains under test merge.
type pair struct{ eu, us *testLog }

func newPair() pair { return pair{newLog(1), newLog(1)} }

func (p pair) chain() stream.Stream[string] { return stream.Merge(from().As("eu"), from().As("us")) }

func (p pair) start(t *testing.T, s stream.Stream[string], opts ...stream.Option) *job {
	t.Helper()
	return launch(t, p.eu, nil, s, append(opts, p.eu.SourceOf("eu"), p.us.SourceOf("us"))...)
}

func (p pair) finish() { p.eu.Finish(); p.us.Finish() }

func (p pair) committed(t *testing.T, eu, us int64) {
	t.Helper()
	committed(t, p.eu, eu)
	committed(t, p.us, us)
}

func TestMerge(t *testing.T) {
	t.Run("feeds one chain with both sources, and each commits its own", func(t *testing.T) {
		for name, chain := range map[string]func(s stream.Stream[string], w *work) stream.Stream[string]{
			"serial": func(s stream.Stream[string], w *work) stream.Stream[string] { return s.GroupByPartition().Serial(w.do) },
			"by key": func(s stream.Stream[string], w *work) stream.Stream[string] {
				return s.GroupByKey().Concurrent(8, w.do)
			},
			"no order": func(s stream.Stream[string], w *work) stream.Stream[string] { return s.Concurrent(8, w.do) },
			"keep order": func(s stream.Stream[string], w *work) stream.Stream[string] {
				return s.MapConcurrent(8, w.echo, stream.KeepOrder())
			},
			"fused": func(s stream.Stream[string], w *work) stream.Stream[string] { return s.Tap(w.do) },
			"two stages": func(s stream.Stream[string], w *work) stream.Stream[string] {
				return s.MapConcurrent(2, echo).Concurrent(8, w.do)
			},
			"to a sink": func(s stream.Stream[string], w *work) stream.Stream[string] { return s.To(intoSink(w)) },
			"a batch": func(s stream.Stream[string], w *work) stream.Stream[string] {
				return s.Batch(3, time.Second).FlatMap(flat).Tap(w.do)
			},
			"by a func": func(s stream.Stream[string], w *work) stream.Stream[string] {
				return s.GroupBy(func(v string) string { return v[:1] }).Concurrent(8, w.do)
			},
			"a transform": func(s stream.Stream[string], w *work) stream.Stream[string] {
				return s.Transform("relay", relay).Tap(w.do)
			},
			"a child each": func(s stream.Stream[string], w *work) stream.Stream[string] {
				return s.FlatMap(once).Concurrent(8, w.do)
			},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					p, w := newPair(), newWork()
					put(p.eu, 0, count("a", 10)...)
					put(p.us, 0, count("b", 7)...)
					p.finish()
					j := p.start(t, commitNow(chain(p.chain(), w)))
					must(t, j.wait())
					sameSet(t, "done", w.done(), append(count("a", 10), count("b", 7)...))
					p.committed(t, 10, 7)
				})
			})
		}
	})

	t.Run("keeps the groups of a branch above it", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newPair()
			put(p.eu, 0, "a0", "b0", "a1", "b1")
			p.finish()
			var got []string
			batches := func(s strs) strs {
				return s.Batch(2, 0).Tap(func(_ ctx, b []string) error { got = append(got, strings.Join(b, "+")); return nil }).FlatMap(flat)
			}
			eu := from().As("eu").GroupBy(func(v string) byte { return v[0] }).AlsoTo(batches).Ungroup()
			must(t, p.start(t, commitNow(stream.Merge(eu, from().As("us")).To(intoSink(newWork())))).wait())
			same(t, "batches", got, []string{"a0+a1", "b0+b1"})
		})
	})
	t.Run("runs words above it for their source alone", func(t *testing.T) {
		upper := func(_ ctx, v string) (string, error) { return strings.ToUpper(v), nil }
		length := func(_ ctx, v string) (int, error) { return len(v), nil }
		str := func(_ ctx, n int) (string, error) { return strconv.Itoa(n), nil }
		for name, c := range map[string]struct {
			eu, us stream.Stream[string]
			want   []string
		}{
			"in the worker below": {from().As("eu").Map(upper), from().As("us").Map(length).Map(str), []string{"A0", "A1", "2", "2"}},
			"one of them":         {from().As("eu"), from().As("us").Map(upper), []string{"a0", "a1", "B0", "B1"}},
			"in their own":        {from().As("eu").MapConcurrent(2, upper), from().As("us").Map(length).MapSerial(str).Map(upper), []string{"A0", "A1", "2", "2"}},
			"one in its own":      {from().As("eu").MapConcurrent(2, upper), from().As("us").Map(upper), []string{"A0", "A1", "B0", "B1"}},
			"many of one":         {from().As("eu").FlatMap(thrice), from().As("us").Filter(func(v string) bool { return v == "b1" }), []string{"a01", "a02", "a03", "a11", "a12", "a13", "b1"}},
			"a batch":             {from().As("eu").Batch(2, time.Second).FlatMap(flat), from().As("us"), []string{"a0", "a1", "b0", "b1"}},
			"a group":             {from().As("eu").GroupByKey().MapConcurrent(2, upper), from().As("us").GroupByKey(), []string{"A0", "A1", "b0", "b1"}},
			"a transform":         {from().As("eu").Transform("relay", relay), from().As("us"), []string{"a0", "a1", "b0", "b1"}},
			"a sink":              {from().As("eu").To(intoSink(newWork())), from().As("us"), []string{"a0", "a1", "b0", "b1"}},
		} {
			for below, chain := range map[string]func(s stream.Stream[string], w *work) stream.Stream[string]{
				"concurrent": func(s stream.Stream[string], w *work) stream.Stream[string] { return s.Concurrent(4, w.do) },
				"fused":      func(s stream.Stream[string], w *work) stream.Stream[string] { return s.Tap(w.do) },
				"to":         func(s stream.Stream[string], w *work) stream.Stream[string] { return s.To(intoSink(w)) },
			} {
				t.Run(name+"/"+below, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						p, w := newPair(), newWork()
						put(p.eu, 0, count("a", 2)...)
						put(p.us, 0, count("b", 2)...)
						p.finish()
						j := p.start(t, commitNow(chain(stream.Merge(c.eu, c.us), w)))
						must(t, j.wait())
						sameSet(t, "done", w.done(), c.want)
						p.committed(t, 2, 2)
					})
				})
			}
		}
	})

	t.Run("merges merged chains", func(t *testing.T) {
		for name, inner := range map[string]stream.Stream[string]{
			"of sources":           newPair().chain(),
			"with a word":          newPair().chain().Map(echo),
			"one with a degree":    stream.Merge(from().As("eu").MapConcurrent(2, echo), from().As("us")),
			"all with a degree":    stream.Merge(from().As("eu").MapSerial(echo), from().As("us").MapConcurrent(2, echo)).Map(echo),
			"with a degree":        stream.Merge(from().As("eu").To(intoSink(newWork())), from().As("us")).Concurrent(2, pass),
			"merged themselves":    stream.Merge(stream.Merge(from().As("eu").MapConcurrent(2, echo), from().As("us")), from().As("africa")),
			"in a batch of theirs": newPair().chain().Batch(2, time.Second).FlatMap(flat),
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					p, asia, africa, w := newPair(), newLog(2), newLog(1), newWork()
					put(p.eu, 0, "a0")
					put(p.us, 0, "b0")
					put(asia, 1, "c0")
					p.finish()
					asia.Finish()
					africa.Finish()
					opts := []stream.Option{asia.SourceOf("asia")}
					if name == "merged themselves" {
						opts = append(opts, africa.SourceOf("africa"))
					}
					j := p.start(t, commitNow(stream.Merge(inner, from().As("asia")).Concurrent(4, w.do)), opts...)
					must(t, j.wait())
					sameSet(t, "done", w.done(), []string{"a0", "b0", "c0"})
					p.committed(t, 1, 1)
					committed(t, asia, 0, 1)
				})
			})
		}
	})

	t.Run("keeps the order of each source", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w := newPair(), newWork()
			put(p.eu, 0, count("a", 50)...)
			put(p.us, 0, count("b", 50)...)
			p.finish()
			must(t, p.start(t, commitNow(p.chain().GroupByKey().Concurrent(8, w.do))).wait())
			same(t, "a", w.doneOf("a"), count("a", 50))
			same(t, "b", w.doneOf("b"), count("b", 50))
		})
	})

	t.Run("shares a degree", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w := newPair(), newWork()
			w.takes = time.Second
			put(p.eu, 0, count("a", 5)...)
			put(p.us, 0, count("b", 5)...)
			p.finish()
			must(t, p.start(t, commitNow(p.chain().Concurrent(3, w.do))).wait())
			if w.peak() != 3 {
				t.Errorf("%d at a time, want 3", w.peak())
			}
		})
	})

	t.Run("keeps partitions of one name apart", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w := newPair(), newWork()
			put(p.eu, 0, "a0", "a1")
			put(p.us, 0, "b0", "b1")
			w.poison("b0", errBoom)
			var mu sync.Mutex
			var seen []string
			j := p.start(t, commitNow(p.chain().GroupByPartition().Serial(func(c ctx, v string) error {
				m, _ := stream.MetaOf(c)
				mu.Lock()
				seen = append(seen, fmt.Sprint(m, m.TopicPartition().Source))
				mu.Unlock()
				return w.do(c, v)
			}).HaltOnError()))
			elapse(time.Second)
			sameSet(t, "lineage", seen, []string{"eu/t[0]@0eu", "eu/t[0]@1eu", "us/t[0]@0us"})
			h := j.halt()
			if h.Meta.Source != "us" {
				t.Errorf("halted at %v, want at us", h.Meta)
			}
			if e := j.Explain(tp{Topic: "t", Source: "us"}); e.Cause != stream.CauseHalt {
				t.Errorf("us is explained by %v", e)
			}
			if e := j.Explain(tp{Topic: "t", Source: "eu"}); e.Cause != stream.CauseIdle {
				t.Errorf("eu is explained by %v", e)
			}
			w.poison("b0", nil)
			must(t, j.Resume(h))
			elapse(time.Second)
			p.committed(t, 2, 2)
			must(t, j.stop())
		})
	})

	t.Run("leaves the others running when one is exhausted", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w := newPair(), newWork()
			put(p.eu, 0, "a0", "a1")
			p.eu.Finish()
			j := p.start(t, commitNow(p.chain().Batch(10, 0).FlatMap(flat).Tap(w.do)))
			elapse(time.Second)
			sameSet(t, "flushed", w.done(), []string{"a0", "a1"})
			put(p.us, 0, "b0")
			elapse(time.Second)
			if !j.running() {
				t.Fatal("ended with its first source")
			}
			p.us.Finish()
			must(t, j.wait())
			p.committed(t, 2, 1)
		})
	})

	t.Run("ends when one fails, and drains the others", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w := newPair(), newWork()
			put(p.us, 0, "b0")
			w.takes = time.Second
			broke := stream.From(func() stream.Source[string] { return breaks{} }).As("eu")
			j := launch(t, p.us, nil, commitNow(stream.Merge(broke, from().As("us")).Serial(w.do)), p.us.SourceOf("us"))
			err := j.wait()
			if !errors.Is(err, errBoom) {
				t.Fatal(err)
			}
			says(t, err, "source eu")
			same(t, "done", w.done(), []string{"b0"})
			committed(t, p.us, 1)
		})
	})

	t.Run("names the source whose commits are refused for good", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newPair()
			us := p.us.Member()
			us.FailCommits(func(map[tp]int64) error { return stream.Permanent(errBoom) })
			put(p.us, 0, "b0")
			j := launch(t, p.eu, nil, commitNow(p.chain().Tap(pass)), p.eu.SourceOf("eu"), us.SourceOf("us"))
			must(t, us.Assign(0))
			says(t, j.wait(), "source us: boom")
		})
	})

	t.Run("names the source that does not end", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newPair()
			stays := stream.From(func() stream.Source[string] { return lasting{} }).As("us")
			j := launch(t, p.eu, nil, commitNow(stream.Merge(from().As("eu"), stays).Tap(pass)), p.eu.SourceOf("eu"), stream.Named("billing"))
			err := j.stop()
			says(t, err, "the source us did not end")
			if !errors.Is(err, stream.ErrDrain) {
				t.Errorf("%v is no ErrDrain", err)
			}
			elapse(time.Hour)
		})
	})

	t.Run("stops all when its context ends", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w := newPair(), newWork()
			w.takes = time.Second
			put(p.eu, 0, "a0")
			put(p.us, 0, "b0")
			j := p.start(t, commitNow(p.chain().Concurrent(4, w.do)))
			must(t, j.stop())
			p.committed(t, 1, 1)
		})
	})

	t.Run("commits for a source while another's commits are refused", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w := newPair(), newWork()
			us := p.us.Member()
			us.FailCommits(func(map[tp]int64) error { return errBoom })
			j := launch(t, p.eu, nil, p.chain().Concurrent(4, w.do).CommitEach(), p.eu.SourceOf("eu"), us.SourceOf("us"))
			must(t, us.Assign(0))
			put(p.us, 0, "b0")
			put(p.eu, 0, "a0")
			elapse(time.Millisecond)
			p.committed(t, 1, -1)
			if e := j.Explain(tp{Topic: "t", Source: "us"}); e.Cause != stream.CauseCommit {
				t.Errorf("us is explained by %v", e)
			}
			us.FailCommits(nil)
			elapse(10 * time.Second)
			p.committed(t, 1, 1)
			must(t, j.stop())
		})
	})

	t.Run("does not store a commit that a loss has overtaken", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newPair()
			us := &overtaken{lose: make(chan struct{}), gone: make(chan struct{}), lost: make(chan bool, 1)}
			chain := stream.Merge(from().As("eu"), stream.From(func() stream.Source[string] { return us }).As("us"))
			j := launch(t, p.eu, nil, chain.Serial(pass).CommitEach(), p.eu.SourceOf("eu"))
			if !<-us.lost {
				t.Error("the commit of a lost partition is not superseded")
			}
			must(t, j.stop())
		})
	})

	t.Run("names the source of an event", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newPair()
			put(p.us, 0, "b0")
			j := p.start(t, commitNow(p.chain().Tap(pass)))
			p.us.Recreate()
			elapse(time.Second)
			for _, e := range heard[stream.TopicRecreated](j) {
				if e.TopicPartition != (tp{Topic: "t", Source: "us"}) {
					t.Errorf("recreated %v, want us/t[0]", e.TopicPartition)
				}
			}
			if len(heard[stream.TopicRecreated](j)) != 1 {
				t.Errorf("%d events, want one", len(heard[stream.TopicRecreated](j)))
			}
			must(t, j.stop())
		})
	})

	t.Run("starts each source's records where its chain does", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w := newPair(), newWork()
			release := w.hold("b0")
			put(p.us, 0, "b0", "b1", "b2")
			// eu starts in a stage of its own, us below the Merge
			s := stream.Merge(from().As("eu").MapSerial(echo), from().As("us")).GroupByPartition().Serial(w.do)
			j := p.start(t, commitNow(s))
			j.cancel()
			elapse(time.Second)
			release()
			must(t, j.wait())
			same(t, "started", w.tried(), []string{"b0"})
		})
	})

	t.Run("names the source that cannot be reached", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newPair()
			away := stream.From(func() stream.Source[string] { return unreachable{} }).As("us")
			j := launch(t, p.eu, nil, commitNow(stream.Merge(from().As("eu"), away).Tap(pass)), p.eu.SourceOf("eu"))
			says(t, j.Ready(), "not connected: source us: boom")
			if e := j.Explain(tp{Topic: "t", Source: "us"}); e.Cause != stream.CauseDisconnected {
				t.Errorf("us is explained by %v", e)
			}
			if e := j.Explain(tp{Topic: "t", Source: "eu"}); e.Cause != stream.CauseIdle {
				t.Errorf("eu is explained by %v", e)
			}
			must(t, j.stop())
		})
	})

	t.Run("is ready without a source that has nothing", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newPair()
			nothing := stream.From(func() stream.Source[string] { return barren{} }).As("us")
			j := launch(t, p.eu, nil, commitNow(stream.Merge(from().As("eu"), nothing).Tap(pass)), p.eu.SourceOf("eu"))
			must(t, j.Ready())
			if e := j.Explain(tp{Topic: "t", Source: "us"}); e.Cause != stream.CauseUnassigned {
				t.Errorf("us is explained by %v", e)
			}
			must(t, j.stop())
		})
	})

	t.Run("names the source in events that are of no partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := newPair()
			us := p.us.Member()
			us.FailCommits(func(map[tp]int64) error { return errBoom })
			put(p.us, 0, "b0")
			tells := stream.From(func() stream.Source[string] { return talks{} }).As("eu")
			j := launch(t, p.us, nil, commitNow(stream.Merge(tells, from().As("us")).Tap(pass)), us.SourceOf("us"))
			must(t, us.Assign(0))
			synctest.Wait()
			if es := heard[stream.CommitFailed](j); len(es) == 0 || es[0].TopicPartition != (tp{Source: "us"}) {
				t.Errorf("refused commits: %v", es)
			}
			if es := heard[stream.SourceEvent](j); len(es) != 1 || es[0].TopicPartition != (tp{Source: "eu"}) {
				t.Errorf("of the source: %v", es)
			}
			says(t, errors.New(j.Snapshot().Troubles[0].String()), "eu/t has not been readable")
			us.FailCommits(nil)
			must(t, j.stop())
		})
	})

	t.Run("remembers what finished above the watermark of each", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w := newPair(), newWork()
			eu, us := p.eu.Member(), p.us.Member()
			chain := p.chain().Concurrent(8, w.do).CommitEvery(100, time.Second)
			w.hold("a0")
			w.hold("b1")
			put(p.eu, 0, count("a", 3)...)
			put(p.us, 0, count("b", 3)...)
			j := launch(t, p.eu, nil, chain, eu.SourceOf("eu"), us.SourceOf("us"))
			must(t, eu.Assign(0))
			must(t, us.Assign(0))
			elapse(2 * time.Second)
			eu.Crash()
			<-j.ended
			p.committed(t, 0, 1)
			w.release()
			p.finish()
			again := newWork()
			must(t, p.start(t, commitNow(p.chain().Concurrent(8, again.do))).wait())
			sameSet(t, "done again", again.done(), []string{"a0", "b1"})
			p.committed(t, 3, 3)
		})
	})

	t.Run("keeps what is stored where its chains change places", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w, db := newPair(), newWork().poison("a0", errBoom).poison("b0", errBoom), new(streamtest.Transactor[string])
			put(p.eu, 0, "a0", "x0")
			put(p.us, 0, "b0", "y0")
			eu, us := from().As("eu").GroupByKey().Map(w.echo), from().As("us").GroupByKey().Map(w.echo)
			parks := func(s strs) strs { return commitNow(s.Concurrent(4, pass).ParkOnError()) }
			must(t, p.start(t, parks(stream.Merge(eu, us)), stream.BuildID("v1")).stop())
			j := p.start(t, parks(stream.Merge(us, eu)), stream.BuildID("v1"))
			var parked []string
			for _, h := range j.Halts() {
				parked = append(parked, h.Meta.String())
			}
			sameSet(t, "parked", parked, []string{"eu/t[0]@0", "us/t[0]@0"})
			sameSet(t, "tried", w.tried(), []string{"a0", "b0", "x0", "y0"})
			must(t, j.stop())

			writes := func(s strs) strs { return s.CommitWith(db, 10, time.Second) }
			p = newPair()
			put(p.eu, 0, "a0")
			put(p.us, 0, "b0", "b1")
			a, b := from().As("eu"), from().As("us")
			must(t, p.start(t, writes(stream.Merge(a, b))).stop())
			put(p.eu, 0, "a1")
			p.finish()
			must(t, p.start(t, writes(stream.Merge(b, a))).wait())
			sameSet(t, "stored", db.Results(), []string{"a0", "a1", "b0", "b1"})
		})
	})

	t.Run("writes results of both in one transaction", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, v := newPair(), newDatabase()
			put(p.eu, 0, "a0", "a1")
			put(p.us, 0, "b0")
			p.finish()
			must(t, p.start(t, p.chain().Concurrent(4, pass).CommitWith(v, 100, time.Second)).wait())
			sameSet(t, "stored", v.stored(), []string{"a0", "a1", "b0"})
			if eu, us := v.at[tp{Topic: "t", Source: "eu"}].Offset, v.at[tp{Topic: "t", Source: "us"}].Offset; eu != 2 || us != 1 {
				t.Errorf("offsets %d and %d, want 2 and 1", eu, us)
			}
			p.committed(t, 2, 1) // so that tools see the lag
		})
	})

	t.Run("fails when a partition of an exhausted source has to restart", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, v := newPair(), newDatabase().refuse(&stream.FencedError{Err: errBoom})
			put(p.eu, 0, "a0")
			p.eu.Finish()
			j := p.start(t, p.chain().Concurrent(4, pass).CommitWith(v, 100, time.Second))
			elapse(time.Minute)
			p.us.Finish() // else Run would return nil, and a0 never be written
			says(t, j.wait(), "eu/t[0] has to restart, but its source is exhausted")
		})
	})

	t.Run("commits before the work", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w := newPair(), newWork()
			put(p.eu, 0, "a0", "a1")
			put(p.us, 0, "b0")
			p.finish()
			must(t, p.start(t, p.chain().CommitBefore(10, time.Second).Concurrent(4, w.do)).wait())
			sameSet(t, "done", w.done(), []string{"a0", "a1", "b0"})
			p.committed(t, 2, 1)
		})
	})

	t.Run("retries and parks above and below", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, w := newPair(), newWork()
			put(p.eu, 0, "a0", "a1", "c0")
			put(p.us, 0, "b0", "b1")
			w.fail("b0", errBoom).poison("a0", errBoom)
			j := p.start(t, commitNow(stream.Merge(from().As("eu").GroupByKey().Map(w.echo), from().As("us").GroupByKey()).Concurrent(4, w.do).
				RetryOnError(every(time.Second, 3)).ParkOnError()))
			elapse(time.Minute)
			if h := j.halt(); h.Scope != stream.ScopeLane || h.Meta.Source != "eu" {
				t.Errorf("%v, want the lane of a0", h)
			}
			p.committed(t, 0, 2)
			w.poison("a0", nil)
			must(t, j.Resume(j.halt()))
			elapse(time.Minute)
			p.committed(t, 3, 2)
			same(t, "a", w.doneOf("a"), []string{"a0", "a0", "a1", "a1"}) // once above, once below
			must(t, j.stop())
		})
	})
}

// breaks is a source that fails after a second.
type breaks struct{}

func (breaks) Info() stream.SourceInfo { return stream.SourceInfo{Name: "breaks"} }
func (breaks) Run(ctx context.Context, in *stream.Intake[string]) error {
	time.Sleep(time.Millisecond) // virtual
	return errBoom
}
func (breaks) Commit(context.Context, map[tp]stream.Position) error { return nil }

// overtaken is a source that loses its partition while its commit is under way.
type overtaken struct {
	breaks
	lose chan struct{} // closed by the commit
	gone chan struct{} // closed when the partition is lost
	lost chan bool     // whether the commit was superseded
}

func (o *overtaken) Run(ctx context.Context, in *stream.Intake[string]) error {
	ps, err := in.Assign(ctx, stream.Assignment{TopicPartition: tp{Topic: "t"}, Committed: -1, Wake: func() {}})
	if err != nil {
		return err
	}
	ps[0].Feed([]string{"b0"}, first{}, 1, 2)
	<-o.lose
	in.Lose(errBoom, ps...)
	close(o.gone)
	<-ctx.Done()
	return nil
}

// first is the lineage of one record.
type first struct{}

func (first) Meta(int) stream.Meta { return stream.Meta{Topic: "t"} }
func (first) Key(int) []byte       { return nil }
func (first) Offset(int) int64     { return 0 }

func (o *overtaken) Commit(ctx context.Context, _ map[tp]stream.Position) error {
	close(o.lose)
	<-o.gone
	o.lost <- stream.Superseded(ctx, tp{Topic: "t"})
	return nil
}

// unreachable is a source that cannot reach what it reads from.
type unreachable struct{ breaks }

func (unreachable) Run(ctx context.Context, in *stream.Intake[string]) error {
	in.SetHealth(errBoom)
	<-ctx.Done()
	return nil
}

// lasting is a source that does not heed its context for an hour.
type lasting struct{ breaks }

func (lasting) Run(context.Context, *stream.Intake[string]) error {
	time.Sleep(time.Hour) // virtual
	return nil
}

// barren is a source that has nothing.
type barren struct{ breaks }

func (barren) Run(context.Context, *stream.Intake[string]) error { return nil }

// talks is a source that has events and a trouble, and no partition.
type talks struct{ breaks }

func (talks) Run(ctx context.Context, in *stream.Intake[string]) error {
	in.Emit(stream.SourceEvent{Name: "slow"})
	in.Trouble(tp{Topic: "t", Partition: -1}, errBoom)
	<-ctx.Done()
	return nil
}

func once(c ctx, v string) (seq[string], error) { return flat(c, []string{v}) }

func relay(ctx context.Context, in <-chan stream.Elem[string], out chan<- stream.Elem[string]) error {
	for e := range in {
		out <- e
	}
	return nil
}

// intoSink is a sink that works.
func intoSink(w *work) stream.Sink[string] {
	return workSink(func(ctx context.Context, os []stream.Out[string]) error {
		for _, o := range os {
			if err := w.do(ctx, o.Value); err != nil {
				return err
			}
		}
		return nil
	})
}

type workSink func(context.Context, []stream.Out[string]) error

func (f workSink) Write(ctx context.Context, os []stream.Out[string]) error { return f(ctx, os) }

// from begins a chain with a source of its own.
func from() stream.Stream[string] { return stream.From[string](nil) }
