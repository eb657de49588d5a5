package stream_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

func TestBranchBuild(t *testing.T) {
	s := of(stream.SourceInfo{Name: "quiet", StateBytes: 4096})
	work := func(s strs) strs { return s.Tap(pass) }
	keyed := func(s strs) strs { return s.GroupByKey().Concurrent(2, pass) }
	t.Run("refuses", func(t *testing.T) {
		for name, c := range map[string]struct {
			chain buildable
			want  []string // every fault, in order
		}{
			"a nil branch":       {s.AlsoTo[int](nil), []string{"AlsoTo: the branch is nil: pass a Pipe [LW101]"}},
			"a nil match":        {s.DivertTo(nil, work), []string{"DivertTo: the func is nil: pass a function [LW101]"}},
			"nil and nil":        {s.DivertTo[int](nil, nil), []string{"DivertTo: the func is nil: pass a function", "DivertTo: the branch is nil"}},
			"a branch of a zero": {s.AlsoTo(func(strs) (none strs) { return none }), []string{"AlsoTo: the branch returned a Stream that does not continue its input: build on the Stream it is given [LW133]"}},
			"a branch elsewhere": {s.AlsoTo(func(strs) strs { return s.Tap(pass) }), []string{"the branch returned a Stream that does not continue its input"}},
			"a branch of the line above it": {s.Map(echo).AlsoTo(func(in strs) strs { return s }),
				[]string{"the branch returned a Stream that does not continue its input"}},
			"a branch without words": {s.AlsoTo(func(in strs) strs { return in }), []string{"AlsoTo: its branch does nothing to elements: end the branch with a step that works, such as To or Tap; to drop elements use Filter [LW140]"}},
			"a branch without work":  {s.DivertTo(isB, func(in strs) strs { return in.Map(echo) }), []string{"DivertTo(isB): its branch does nothing to elements"}},
			"commits in branches": {s.AlsoTo(func(s strs) strs { return s.Tap(pass).CommitEach() }).DivertTo(isB, func(s strs) strs { return s.CommitBefore(1, 0).Tap(pass) }).AlsoTo(func(s strs) strs { return s.Tap(pass).CommitWith(newDatabase(), 1, 0) }).CommitEach(),
				[]string{"CommitEach: a commit in the branch of AlsoTo: commit once, on the main line: the commit waits for every branch [LW140]", "CommitBefore: a commit in the branch of DivertTo(isB)", "CommitWith: a commit in the branch of AlsoTo"}},
			"faults of several branches": {s.AlsoTo(func(s strs) strs { return s.Concurrent(0, pass).AlsoTo(func(s strs) strs { return s.To(nil) }) }).Throttle(0, 1).Serial(pass),
				[]string{"Concurrent(pass): 0 at a time", "To: the sink is nil", "Throttle: 0 a second"}},
			"an order that is lost above the fork": {s.Concurrent(2, pass).AlsoTo(keyed), []string{"GroupByKey: Concurrent(pass) above it works without order, so there is no order left to keep"}},
			"an order that is coarser":             {s.GroupByKey().AlsoTo(func(s strs) strs { return s.GroupByPartition().Serial(pass) }), []string{"GroupByPartition: above it, order is only kept per key"}},
			"a key of a batch above the fork":      {s.Batch[[]string](2, 0).AlsoTo(func(s stream.Stream[[]string]) stream.Stream[[]string] { return s.GroupByKey().Concurrent(2, pass) }), []string{"GroupByKey: a batch made above it has no single key"}},
			"a Serial per key in a branch":         {s.GroupByKey().AlsoTo(func(s strs) strs { return s.Serial(pass) }), []string{"Serial(pass): one at a time per key means one goroutine per group"}},
			"a policy that no step of the branch reaches": {s.Tap(pass).AlsoTo(func(s strs) strs { return s.SkipOnError().Tap(pass) }),
				[]string{"SkipOnError: no failure can reach this policy"}},
			"a policy that is for the branch's steps": {s.AlsoTo(work).SkipOnError().Serial(pass), []string{"SkipOnError: no failure can reach this policy"}},
			"one name on both sides":                  {s.AlsoTo(func(s strs) strs { return s.Tap(pass, stream.Named("a")) }).Serial(pass, stream.Named("a")), []string{"a: two steps have this name"}},
			"a halt below CommitBefore":               {s.CommitBefore(1, 0).AlsoTo(func(s strs) strs { return s.Tap(pass).HaltOnError() }), []string{"HaltOnError: below a commit there is no record left to halt at"}},
			"work below CommitEvery":                  {s.CommitEvery(1, 0).AlsoTo(work), []string{"CommitEvery: there is work below it that it does not cover"}},
			"a fork below CommitWith":                 {s.CommitWith(newDatabase(), 1, 0).AlsoTo(func(s strs) strs { return s.Tap(pass) }), []string{"CommitWith: there is work below it that no transaction would hold"}},
			"a Clone of another type":                 {s.AlsoTo(work, stream.Clone(func(n int) int { return n })), []string{"AlsoTo: Clone is given a func of another type: clone the elements of this Stream [LW104]"}},
			"a nil Clone":                             {s.AlsoTo(work, stream.Clone[string](nil)), []string{"AlsoTo: Clone was given a nil func"}},
			"a Clone elsewhere":                       {s.Serial(pass, stream.Clone(itself)), []string{"Serial(pass): Clone on a word that shares no elements: it is for AlsoTo"}},
			"a Timeout without a call":                {s.AlsoTo(work, stream.Timeout(time.Second)), []string{"AlsoTo: Timeout and Use only apply to words that call a function per element"}},
			"a park beside KeepOrder":                 {s.AlsoTo(func(s strs) strs { return s.Concurrent(2, pass).ParkOnError() }).Concurrent(2, pass, stream.KeepOrder()), []string{"ParkOnError: KeepOrder would hold back every result behind a parked record"}},
			"a park of the record beside keys": {s.AlsoTo(func(s strs) strs { return s.Concurrent(2, pass, stream.Named("audit")).ParkOnError() }).GroupByKey().Concurrent(2, pass),
				[]string{"audit: it would park the record alone, while the other side of AlsoTo keeps order per key: group both alike, or use HaltOnError [LW138]"}},
			"a park of the key beside partitions": {s.AlsoTo(func(s strs) strs { return s.GroupByKey().Concurrent(2, pass, stream.Named("audit")).ParkOnError() }).GroupByPartition().Serial(pass),
				[]string{"audit: it would park the lane alone, while the other side of AlsoTo keeps order per partition"}},
			"a park of the record on the main line": {s.AlsoTo(keyed).Concurrent(2, pass, stream.Named("main")).ParkOnError(),
				[]string{"main: it would park the record alone, while the other side of AlsoTo keeps order per key"}},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := c.chain.Build()
				says(t, err, c.want...)
				if n := len(strings.Split(strings.TrimPrefix(err.Error(), "this pipeline cannot be built:\n"), "\n")); n != len(c.want) {
					t.Errorf("%d faults, want %d: %v", n, len(c.want), err)
				}
				if fault := (*stream.BuildError)(nil); !errors.As(err, &fault) || fault.Code == "" {
					t.Errorf("no code in %v", err)
				}
			})
		}
	})
	t.Run("refuses to build the branch by itself", func(t *testing.T) {
		var leaked strs
		s.AlsoTo(func(s strs) strs { leaked = s.Tap(pass); return leaked })
		_, err := leaked.Build()
		says(t, err, "AlsoTo: the Stream is that of a branch, which has no source of its own: return it from the branch, and build the main line [LW133]")
	})
	t.Run("accepts", func(t *testing.T) {
		for name, chain := range map[string]buildable{
			"a branch that works in its own branch":  s.AlsoTo(func(s strs) strs { return s.AlsoTo(work) }),
			"a park of the key beside keys":          s.GroupByKey().AlsoTo(func(s strs) strs { return s.Concurrent(2, pass).ParkOnError() }).Concurrent(2, pass).CommitEach(),
			"a park of what was diverted":            s.DivertTo(isB, func(s strs) strs { return s.Concurrent(2, pass).ParkOnError() }).GroupByKey().Concurrent(2, pass).CommitEach(),
			"a grouping in the branch alone":         s.AlsoTo(keyed).Concurrent(2, pass).CommitEach(),
			"a lost order that the branch gives up":  s.Concurrent(2, pass).AlsoTo(func(s strs) strs { return s.Ungroup().GroupByKey().Concurrent(2, pass) }),
			"an order that only the branch has lost": s.AlsoTo(func(s strs) strs { return s.Concurrent(2, pass) }).GroupByKey().Concurrent(2, pass),
			"KeepOrder on one side":                  s.AlsoTo(work).Concurrent(2, pass, stream.KeepOrder()).GroupByKey().Concurrent(2, pass).CommitEach(),
			"Bisect below a fork of batches": s.Batch[[]string](2, 0).AlsoTo(func(s stream.Stream[[]string]) stream.Stream[[]string] {
				return s.Tap(pass, stream.Bisect()).SkipOnError()
			}).Serial(pass, stream.Bisect()).SkipOnError(),
		} {
			t.Run(name, func(t *testing.T) {
				if _, err := chain.Build(); err != nil {
					t.Error(err)
				}
			})
		}
	})
}
