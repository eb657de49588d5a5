package stream_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// generations is a Transactor that stores the offsets of a group. While old is set, the source "eu"
// is a member in an old generation.
type generations struct {
	groupVault
	old    atomic.Bool
	groups []map[string]stream.GroupMetadata // of the transactions
}

func (m *generations) Commit(ctx ctx, tx stream.Txn[string]) error {
	m.mu.Lock()
	m.groups = append(m.groups, tx.Groups)
	m.mu.Unlock()
	var stale []tp
	for tp := range tx.Offsets {
		if tp.Source == "eu" {
			stale = append(stale, tp)
		}
	}
	if m.old.Load() && stale != nil {
		return &stream.StaleGroupError{Partitions: stale, Err: errBoom}
	}
	return m.groupVault.Commit(ctx, tx)
}

func TestMergeTransaction(t *testing.T) {
	t.Run("stores the offsets of each member of a group", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, b := newPair(), &generations{groupVault: groupVault{newDatabase()}}
			put(p.eu, 0, "a0")
			put(p.us, 0, "b0")
			p.finish()
			must(t, p.start(t, p.chain().CommitWith(b, 10, time.Second)).wait())
			sameSet(t, "stored", b.stored(), []string{"a0", "b0"})
			if len(b.groups) != 1 {
				t.Fatalf("%d transactions, want 1", len(b.groups))
			}
			eu, us := b.groups[0]["eu"], b.groups[0]["us"]
			if eu.Group != us.Group || eu.Group == "" || eu.Member == us.Member || eu.Member == "" {
				t.Errorf("eu is %v, us is %v: want two members of one group", eu, us)
			}
		})
	})
	t.Run("continues without a member of an old generation", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, b := newPair(), &generations{groupVault: groupVault{newDatabase()}}
			b.old.Store(true)
			put(p.eu, 0, "a0")
			put(p.us, 0, "b0")
			j := p.start(t, p.chain().CommitWith(b, 2, 0))
			elapse(time.Second)
			same(t, "stored", b.stored(), []string{"b0"})
			put(p.us, 0, "b1", "b2")
			elapse(time.Second)
			same(t, "stored", b.stored(), []string{"b0", "b1", "b2"})
			b.mu.Lock()
			if n := len(b.groups); n > 60 {
				t.Errorf("%d transactions in two seconds", n)
			}
			b.mu.Unlock()
			b.old.Store(false)
			elapse(time.Second)
			sameSet(t, "stored", b.stored(), []string{"a0", "b0", "b1", "b2"})
			if n := len(heard[stream.Retrying](j)) + len(heard[stream.Failed](j)); n != 0 {
				t.Errorf("%d policies were asked", n)
			}
			must(t, j.stop())
		})
	})
	t.Run("of a group is refused if sources may be of several groups", func(t *testing.T) {
		of := func(name string, groups ...string) stream.Stream[string] {
			return of(stream.SourceInfo{Name: name, Groups: groups}).As(name)
		}
		for name, c := range map[string]struct {
			sources []stream.Stream[string]
			refused bool
		}{
			"one group":           {[]stream.Stream[string]{of("x", "g at a", "g at b"), of("y", "g at b")}, false},
			"two groups":          {[]stream.Stream[string]{of("x", "g at a"), of("y", "h at a")}, true},
			"two clusters":        {[]stream.Stream[string]{of("x", "g at a"), of("y", "g at b")}, true},
			"one without a group": {[]stream.Stream[string]{of("x", "g at a"), of("y")}, true},
			"a third":             {[]stream.Stream[string]{of("x", "g at a"), of("y", "g at a"), of("z", "h at a")}, true},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := stream.Merge(c.sources...).CommitWith(groupVault{newDatabase()}, 1, 0).Build()
				var fault *stream.BuildError
				if c.refused != errors.As(err, &fault) || c.refused && (fault.Code != "LW139" || !strings.Contains(fault.What, "x + y")) {
					t.Errorf("%v", err)
				}
			})
		}
	})
}
