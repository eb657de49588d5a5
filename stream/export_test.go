package stream

import (
	"net"
	"os"
)

// InProcess gives a supervisor another process than the one that the tests run in.
func (s *Supervisor) InProcess(signals <-chan os.Signal, exit func(int), listen func() (net.Listener, error)) {
	s.process = process{
		notify: func(c chan<- os.Signal) func() {
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for {
					select {
					case sig := <-signals:
						c <- sig
					case <-stop:
						return
					}
				}
			}()
			return func() {
				close(stop)
				<-stopped
			}
		},
		exit:   exit,
		listen: func(string, string) (net.Listener, error) { return listen() },
	}
}

// KeyHash selects a key's lane.
var KeyHash = keyHash

// LostGroups returns the stages that need the group of a GroupBy(f) and do not get it.
func LostGroups(p *Pipeline) (stages []int) {
	for _, sg := range p.plan.stages {
		if p.plan.needsGroup(sg) && sg.group != byFunc {
			stages = append(stages, sg.index)
		}
	}
	return stages
}

// StageOfStep is where a step of a pipeline runs.
type StageOfStep struct {
	Index int
	Lane  string // what shares a lane of it: a partition, key or group; "": nothing
}

// StagesOf returns the stage of each step.
func StagesOf(p *Pipeline) map[string]StageOfStep {
	stages := map[string]StageOfStep{}
	for _, sg := range p.plan.stages {
		at := StageOfStep{Index: sg.index}
		switch {
		case sg.lanes == perPart, sg.keepOrder: // below the KeepOrder
			at.Lane = byPartition.member()
		case sg.lanes == perGroup:
			at.Lane = sg.group.member()
		}
		words := p.plan.words(sg.all())
		if sg.exit != nil {
			words = append(words, sg.exit)
		}
		for _, n := range words {
			if sp := p.plan.steps[n]; sp != nil {
				stages[sp.name] = at
			}
		}
	}
	return stages
}
