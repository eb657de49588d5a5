package stream_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/laneway-go/laneway/stream"
	"github.com/laneway-go/laneway/stream/streamtest"
)

// The group of a GroupBy(f) cannot be had again from a record. It reaches all that keeps its order.
func TestGroupsReachTheirWords(t *testing.T) {
	cases(t, 5000)
	rapid.Check(t, func(rt *rapid.T) {
		words := drawWords(rt, false)
		p, err := propChain(propSources(1, false), words, &life{}).Build(streamtest.NewLog[item]("t", 1, nil).Source())
		if err != nil {
			rt.Fatal(err)
		}
		if lost := stream.LostGroups(p); len(lost) > 0 {
			rt.Fatalf("stages %v need a group that does not reach them\nchain %v\n%v", lost, words, p.Describe())
		}
	})
}
