package stream_test

import (
	"testing"
	"time"

	"github.com/laneway-go/laneway/stream"
)

// A grouping gives way to the next one whole: what shared a group of the first may neither hold nor
// overtake what shares one of the second.
func TestARefusedElementHoldsItsNewGroupNotItsOld(t *testing.T) {
	byFunc := input.GroupBy(func(v string) string { return v })
	for name, above := range map[string]stream.Stream[string]{
		"regrouped at once":        byFunc.Ungroup().GroupByPartition(),
		"ungrouped":                byFunc.Ungroup(),
		"regrouped below a commit": byFunc.Concurrent(8, pass[string]).CommitBefore(3, 0, stream.ByCountOnly()).Ungroup().GroupByPartition(),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, w, tries := newLog(1), newWork(), 0
				put(l, 0, "a", "b", "c")
				s := &sink[string]{fail: func(es []stream.Out[string]) error {
					if tries++; es[0].Value == "a" && tries < 3 {
						return &stream.PartialError{Errs: map[int]error{0: errBoom}}
					}
					return nil
				}}
				chain := above.To(s).RetryOnError(every(time.Second, 5)).GroupByPartition().Serial(w.do)
				if name != "regrouped below a commit" {
					chain = chain.CommitEvery(3, 0, stream.ByCountOnly())
				}
				j := start(t, l, chain)
				elapse(time.Minute)
				same(t, "below", w.done(), []string{"a", "b", "c"})
				j.committed(3)
			})
		})
	}
}
