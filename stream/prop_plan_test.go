package stream_test

import (
	"fmt"
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
		p := propBuild(rt, words)
		if lost := stream.LostGroups(p); len(lost) > 0 {
			rt.Fatalf("stages %v need a group that does not reach them\nchain %v\n%v", lost, words, p.Describe())
		}
	})
}

// Words run in the stages and lanes of the model. A run meets a wrong lane only in a rare schedule.
func TestPlanIsTheModels(t *testing.T) {
	cases(t, 10000)
	rapid.Check(t, func(rt *rapid.T) {
		words := drawWords(rt, rapid.Bool().Draw(rt, "parks"))
		p := propBuild(rt, words)
		m, stages := modelOf(words), stream.StagesOf(p)
		ofModel, ofPlan := map[int]int{}, map[int]int{}
		for i, r := range m.rules {
			got, named := stages[fmt.Sprint("step", i)]
			if !named {
				continue
			}
			if at, seen := ofModel[got.Index]; seen && at != r.stage {
				rt.Fatalf("step%d runs in one stage with words of another\nchain %v\n%v", i, words, p.Describe())
			}
			if at, seen := ofPlan[r.stage]; seen && at != got.Index {
				rt.Fatalf("step%d runs apart from words of its stage\nchain %v\n%v", i, words, p.Describe())
			}
			ofModel[got.Index], ofPlan[r.stage] = r.stage, got.Index
			if want := r.lane.shared(); want != "" && got.Lane != want {
				rt.Fatalf("step%d runs in lanes of a %q, want of a %s\nchain %v\n%v", i, got.Lane, want, words, p.Describe())
			}
		}
	})
}

func propBuild(rt *rapid.T, words []word) *stream.Pipeline {
	p, err := propChain(propSources(1, false), words, &life{}).Build(streamtest.NewLog[item]("t", 1, nil).Source())
	if err != nil {
		rt.Fatal(err)
	}
	return p
}

// shared is what shares the lane.
func (l laneOf) shared() string {
	switch {
	case l == partLane:
		return "partition"
	case l == keyLane:
		return "key"
	case l > noLane:
		return "group"
	}
	return ""
}
