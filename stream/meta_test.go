package stream_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/laneway-go/laneway/stream"
)

func TestMetaOf(t *testing.T) {
	t.Run("works in every step", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a")
			var mu sync.Mutex
			seen := map[string]string{}
			see := func(where string, c ctx) {
				mu.Lock()
				defer mu.Unlock()
				m, ok := stream.MetaOf(context.WithoutCancel(c))
				seen[where] = fmt.Sprint(m, " ", string(m.Key), " ", ok)
			}
			j := start(t, l, commitNow(input.
				Map(func(c ctx, v string) (string, error) { see("Map", c); return v, nil }).
				FlatMap(func(c ctx, v string) (seq[string], error) { see("FlatMap", c); return thrice(c, v) }).
				Concurrent(2, func(c ctx, _ string) error { see("Concurrent", c); return nil }).
				Batch(3, 0).
				Map(func(c ctx, b []string) (string, error) { see("batch", c); return b[0], nil }).
				Serial(func(c ctx, _ string) error { see("behind the batch", c); return errBoom }).
				SkipOnError(stream.OnMatch(func(c ctx, _ stream.Failure) { see("OnMatch", c) })).
				To(seeing(func(c ctx) { see("sink", c) }))))
			put(l, 0, "b")
			synctest.Wait()
			j.committed(2)
			for _, where := range []string{"Map", "FlatMap", "Concurrent"} {
				if seen[where] != "t[0]@1 b true" {
					t.Errorf("%s: %s", where, seen[where])
				}
			}
			for _, where := range []string{"batch", "behind the batch", "OnMatch"} {
				if seen[where] != "t[0]@1 b true" && seen[where] != "t[0]@0 a true" {
					t.Errorf("%s: %s", where, seen[where])
				}
			}
			if _, ok := stream.MetaOf(t.Context()); ok {
				t.Error("a context that is not a handler's has a lineage")
			}
		})
	})
	t.Run("works below a commit and in a sink", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l := newLog(1)
			put(l, 0, "a", "b", "c")
			var mu sync.Mutex
			var metas []string
			note := func(where string, c ctx) {
				mu.Lock()
				defer mu.Unlock()
				for m := range stream.MetasOf(c) {
					metas = append(metas, fmt.Sprint(where, m.Offset, string(m.Key)))
				}
			}
			must(t, start(t, l, input.CommitBefore(1, 0).Batch(3, 0).FlatMap(flat).Serial(func(c ctx, v string) error {
				if v == "c" {
					note("below ", c)
				}
				return nil
			}).To(seeing(func(c ctx) { note("sink ", c) }))).stop())
			got := strings.Join(metas, ",")
			if !strings.Contains(got, "below 0a,below 1b,below 2c") || !strings.Contains(got, "sink 0a,sink 1b,sink 2c") {
				t.Errorf("metas: %v", metas)
			}
		})
	})
}

type seeing func(ctx)

func (s seeing) Write(c ctx, _ []stream.Out[string]) error { s(c); return nil }
