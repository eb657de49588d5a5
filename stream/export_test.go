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
