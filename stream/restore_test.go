package stream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// outage is a database that cannot say where to continue until it is over.
type outage struct {
	*database

	mu    sync.Mutex // guards what follows
	fails func(ctx) error
	asked []time.Duration       // since it began, when Restore was called
	ended []error               // what became of the contexts of calls that failed
	last  map[tp]stream.TopicID // the partitions that Restore was asked for at last
	began time.Time
}

func newOutage(fails func(ctx) error) *outage {
	return &outage{database: newDatabase(), fails: fails, began: time.Now()}
}

func (o *outage) over() { o.as(nil) }

func (o *outage) as(fails func(ctx) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fails = fails
}

func (o *outage) Restore(c ctx, parts map[tp]stream.TopicID) (map[tp]stream.Position, error) {
	o.mu.Lock()
	o.asked, o.last = append(o.asked, time.Since(o.began)), parts
	fails := o.fails
	o.mu.Unlock()
	if fails == nil {
		return o.database.Restore(c, parts)
	}
	err := fails(c)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = append(o.ended, context.Cause(c))
	return nil, err
}

// waits is how long it was not asked, between two calls.
func (o *outage) waits() (ds []time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.asked[1:] {
		ds = append(ds, o.asked[i+1]-o.asked[i])
	}
	return ds
}

var errAway = errors.New("the database is away")

func away(ctx) error { return errAway }

// silent is a database that does not answer.
func silent(c ctx) error {
	<-c.Done()
	return context.Cause(c)
}

// unready checks that the pipeline is not ready, for all the reasons.
func (j *job) unready(reasons ...string) {
	j.t.Helper()
	err := j.Ready()
	for _, r := range reasons {
		if err == nil || !strings.Contains(err.Error(), r) {
			j.t.Errorf("Ready is %v, want %q in it", err, r)
		}
	}
}

func TestRestore(t *testing.T) {
	t.Run("that fails lets the partition wait, and no other", func(t *testing.T) {
		for name, fails := range map[string]func(ctx) error{"away": away, "silent": silent} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, o := newLog(2), newOutage(nil)
					put(l, 0, "a0")
					put(l, 1, "b0", "b1")
					j := join(t, l, input.CommitWith(o, 1, 0, stream.Named("ledger")))
					must(t, j.member.Assign(0))
					elapse(time.Second)
					o.as(fails)
					began := time.Now()
					must(t, j.member.Assign(1))
					if took := time.Since(began); took > 0 {
						t.Errorf("Assign blocked its group for %v", took)
					}
					put(l, 0, "a1")
					elapse(30 * time.Second)
					same(t, "stored by the other partition", o.stored(), []string{"a0", "a1"})
					j.unready("t[1] has been waiting since", "for ledger to restore its offset")
					if name == "away" {
						j.unready(errAway.Error())
					}
					if s := j.Snapshot().Partitions; s[0].State != stream.StateOpen || s[1].State != stream.StateWaiting {
						t.Errorf("states: %s and %s", s[0].State, s[1].State)
					}
					o.over()
					elapse(10 * time.Second)
					same(t, "stored", o.stored(), []string{"a0", "a1", "b0", "b1"})
					must(t, j.Ready())
					must(t, j.stop())
					j.committed(2, 2)
				})
			})
		}
	})

	t.Run("is reported as failed attempts of each partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, o := newLog(2), newOutage(away)
			watched := 0
			j := start(t, l, input.CommitWith(o, 1, 0).
				RetryOnError(every(time.Hour, 3), stream.OnMatch(func(ctx, stream.Failure) { watched++ })))
			fs := heard[stream.AttemptFailed](j)
			if len(fs) != 2 || fs[0].Step != "commitwith" || !errors.Is(fs[0].Err, errAway) || fs[0].Meta.Partition == fs[1].Meta.Partition {
				t.Errorf("failed attempts: %v", fs)
			}
			if rs := heard[stream.Retrying](j); len(rs) != 2 || rs[0].Wait != time.Hour || watched != 2 {
				t.Errorf("retries: %v, %d of them watched", rs, watched)
			}
			must(t, j.stop())
		})
	})

	t.Run("is retried at the pace of its policy, for as long as it takes", func(t *testing.T) {
		ms := time.Millisecond
		own := []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5 * time.Second, 5 * time.Second}
		other := stream.When(func(err error) bool { return errors.Is(err, errBoom) })
		type chain = stream.Stream[string]
		for name, c := range map[string]struct {
			policies func(chain) chain
			want     []time.Duration
			exact    int // that many waits; the others are drawn from half of that on
		}{
			"no policy":              {func(s chain) chain { return s }, own, 0},
			"no retry":               {func(s chain) chain { return s.HaltOnError() }, own, 0},
			"fail":                   {func(s chain) chain { return s.FailOnError() }, own, 0},
			"more than its attempts": {func(s chain) chain { return s.RetryOnError(every(7*time.Second, 2)).HaltOnError() }, []time.Duration{7 * time.Second, 7 * time.Second, 7 * time.Second}, 3},
			"another error's":        {func(s chain) chain { return s.RetryOnError(every(time.Hour, 2), other) }, own, 0},
			"the second that takes it": {func(s chain) chain {
				return s.RetryOnError(every(time.Hour, 2), other).RetryOnError(every(time.Second, 2))
			}, []time.Duration{time.Second, time.Second}, 2},
			"no wait at all": {func(s chain) chain { return s.RetryOnError(every(0, 2)) }, []time.Duration{100 * ms, 100 * ms}, 2},
			"a table that ends": {func(s chain) chain {
				table := []time.Duration{time.Second, 2 * time.Second}
				return s.RetryOnError(stream.RetryPolicy{Wait: func(f stream.Failure) time.Duration { return table[f.Attempts-1] }})
			}, []time.Duration{time.Second, 2 * time.Second, 400 * ms, 800 * ms}, 2},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, o := newLog(1), newOutage(away)
					put(l, 0, "a0")
					j := start(t, l, c.policies(input.CommitWith(o, 1, 0)))
					elapse(time.Minute)
					got := o.waits()
					for i, most := range c.want {
						least := most
						if i >= c.exact {
							least /= 2
						}
						if len(got) <= i || got[i] < least || got[i] > most {
							t.Errorf("waits: %v, want %v, from the %dth on from half of it", got, c.want, c.exact+1)
							break
						}
					}
					if hs := j.Halts(); !j.running() || len(hs) > 0 {
						t.Fatalf("it runs: %v, halts: %v", j.running(), hs)
					}
					o.over()
					elapse(10 * time.Second)
					same(t, "stored", o.stored(), []string{"a0"})
					must(t, j.stop())
				})
			})
		}
	})

	t.Run("is given up when Timeout has passed, and asked again", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			o := newOutage(silent)
			j := start(t, newLog(1), input.CommitWith(o, 1, 0, stream.Timeout(2*time.Second)).RetryOnError(every(time.Second, 2)))
			elapse(10 * time.Second)
			if got := o.waits(); len(got) != 3 || got[0] != 3*time.Second {
				t.Errorf("between the attempts: %v", got)
			}
			must(t, j.stop())
		})
	})

	t.Run("that fails for good ends the pipeline", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			o := newOutage(func(ctx) error { return stream.Permanent(errAway) })
			j := start(t, newLog(1), input.CommitWith(o, 1, 0, stream.Named("ledger")).RetryOnError(every(time.Second, 9)))
			if err := j.wait(); !errors.Is(err, errAway) || !strings.Contains(err.Error(), "ledger: t[0]: restoring offsets") {
				t.Error(err)
			}
		})
	})

	t.Run("ends at once when no partition waits for it", func(t *testing.T) {
		for name, end := range map[string]func(*job) error{
			"a drain":  (*job).stop,
			"a revoke": func(j *job) error { return j.member.Revoke(0, 0) },
			"a loss":   func(j *job) error { return j.member.Lose(0) },
			"a crash":  func(j *job) error { j.member.Crash(); _ = j.wait(); return nil },
		} {
			for how, fails := range map[string]func(ctx) error{"silent": silent, "away": away} {
				t.Run(name+" while it is "+how, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						l, o := newLog(1), newOutage(fails)
						put(l, 0, "a0")
						j := join(t, l, input.CommitWith(o, 1, 0))
						must(t, j.member.Assign(0))
						elapse(time.Second)
						began, asked := time.Now(), len(o.asked)
						must(t, end(j))
						if took := time.Since(began); took > 0 {
							t.Errorf("it took %v", took)
						}
						o.over()
						elapse(time.Minute)
						if len(o.asked) > asked || len(o.ended) != asked {
							t.Errorf("it was asked %d times, then %d times more; %d answers", asked, len(o.asked)-asked, len(o.ended))
						}
						same(t, "stored", o.stored(), nil)
						if name == "a revoke" || name == "a loss" {
							must(t, j.Ready())
							must(t, j.member.Assign(0))
							elapse(time.Second)
							same(t, "stored when it came back", o.stored(), []string{"a0"})
							must(t, j.stop())
						}
					})
				})
			}
		}
	})

	t.Run("is asked nothing in a drain that waits for another partition", func(t *testing.T) {
		for how, fails := range map[string]func(ctx) error{"silent": silent, "away": away} {
			t.Run("while it is "+how, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					l, o, w := newLog(2), newOutage(nil), newWork()
					put(l, 0, "a0")
					release := w.hold("a0")
					j := join(t, l, input.GroupByPartition().Serial(w.do).CommitWith(o, 1, 0))
					must(t, j.member.Assign(0))
					synctest.Wait()
					o.as(fails)
					must(t, j.member.Assign(1))
					elapse(time.Second)
					j.cancel()
					synctest.Wait()
					asked := len(o.asked)
					if len(o.ended) != asked-1 {
						t.Errorf("%d calls, and %d of them failed", asked, len(o.ended))
					}
					elapse(10 * time.Second)
					if len(o.asked) != asked {
						t.Errorf("asked %d times more", len(o.asked)-asked)
					}
					release()
					must(t, j.wait())
					same(t, "stored", o.stored(), []string{"a0"})
				})
			})
		}
	})

	t.Run("continues for the others when one of them is lost", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, o := newLog(2), newOutage(away)
			put(l, 0, "a0")
			put(l, 1, "b0")
			j := join(t, l, input.CommitWith(o, 1, 0))
			must(t, j.member.Assign(0, 1))
			elapse(time.Second)
			must(t, j.member.Lose(0))
			told := len(heard[stream.Retrying](j))
			elapse(time.Minute)
			for _, r := range heard[stream.Retrying](j)[told:] {
				if r.Meta.Partition == 0 {
					t.Fatal("a partition that was lost is still told of")
				}
			}
			if len(o.last) != 1 {
				t.Errorf("it is asked for %v", o.last)
			}
			o.over()
			elapse(10 * time.Second)
			same(t, "stored", o.stored(), []string{"b0"})
			must(t, j.stop())
		})
	})

	t.Run("that fails for a fenced partition lets it wait", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, o := newLog(1), newOutage(nil)
			put(l, 0, "a0", "a1")
			o.before = append(o.before, func(stream.Txn[string]) error {
				o.as(away)
				return &stream.FencedError{Err: errBoom}
			})
			j := start(t, l, input.CommitWith(o, 1000, time.Second))
			elapse(time.Minute)
			j.unready("t[0] has been waiting since")
			o.over()
			elapse(10 * time.Second)
			same(t, "stored", o.stored(), []string{"a0", "a1"})
			must(t, j.stop())
		})
	})

	t.Run("returns an offset below or above the group's", func(t *testing.T) {
		for _, at := range []int64{1, 3} {
			bubble(t, func(t *testing.T) {
				l, o := newLog(1), newOutage(away)
				o.at[tp{Topic: "t"}] = stream.Position{Offset: at}
				put(l, 0, count("a", 4)...)
				l.SetCommitted(0, 2)
				j := start(t, l, input.CommitWith(o, 1, 0))
				elapse(time.Second)
				o.over()
				elapse(10 * time.Second)
				same(t, "stored", o.stored(), count("a", 4)[at:])
				same(t, "faults", o.faults(), nil)
				if es := heard[stream.SourceEvent](j); len(es) != 1 || es[0].Name != "offset restored" || !strings.HasSuffix(es[0].Text, fmt.Sprint(at)) {
					t.Errorf("told: %+v", es)
				}
				must(t, j.stop())
				j.committed(4)
			})
		}
	})

	t.Run("that has not returned ignores what the source does with the partition", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			o := newOutage(away)
			o.at[tp{Topic: "t"}] = stream.Position{Offset: 1}
			hasty := &hastySource{wake: make(chan struct{}, 1)}
			j := launch(t, newLog(1), nil, input.CommitWith(o, 1, 0), stream.ReplaceSource(func() stream.Source[string] { return hasty }))
			elapse(time.Second)
			if hs := j.Halts(); len(hs) > 0 {
				t.Error(hs)
			}
			o.over()
			elapse(10 * time.Second)
			same(t, "stored", o.stored(), []string{"a1"})
			must(t, j.stop())
		})
	})
}

// hastySource says what it likes before it has room.
type hastySource struct{ wake chan struct{} }

func (s *hastySource) Info() stream.SourceInfo                              { return stream.SourceInfo{Name: "hasty"} }
func (s *hastySource) Commit(context.Context, map[tp]stream.Position) error { return nil }
func (s *hastySource) Run(c ctx, in *stream.Intake[string]) error {
	ps, err := in.Assign(c, stream.Assignment{TopicPartition: tp{Topic: "t"}, Committed: -1, Wake: func() { s.wake <- struct{}{} }})
	if err != nil {
		return err
	}
	p := ps[0]
	p.Advance(7, 9)
	p.Feed([]string{"a7"}, placed(7), 8, 1)
	p.Halt(8, 9, errBoom)
	for p.Next() < 2 {
		if n, _ := p.Room(); n > 0 {
			p.Feed([]string{fmt.Sprint("a", p.Next())}, placed(p.Next()), p.Next()+1, 1)
			continue
		}
		select {
		case <-s.wake:
		case <-c.Done():
		}
	}
	<-c.Done()
	in.Revoke(context.WithoutCancel(c), p)
	return nil
}

// placed is the lineage of one record.
type placed int64

func (p placed) Meta(int) stream.Meta { return stream.Meta{Topic: "t", Offset: int64(p)} }
func (p placed) Key(int) []byte       { return nil }
func (p placed) Offset(int) int64     { return int64(p) }
