package lane

import "time"

// pace tells how many tasks of a lane a worker takes in a row while others wait. Handlers that take
// their time are interrupted after each, so that the oldest records go first everywhere; those that
// take next to none are not, since to change lanes would cost more than they do.
type pace struct {
	since time.Time // when the tasks that are counted began
	ran   int32     // since then
	most  int32
}

const (
	laneTime = 50 * time.Microsecond // what a lane has in a row
	laneRun  = 256                   // and how many tasks at most
)

// next counts tasks of a lane that were worked on in a row.
func (p *pace) count(tasks int32) {
	if p.ran += tasks; p.ran < p.most {
		return
	}
	now := time.Now()
	each := now.Sub(p.since) / time.Duration(p.ran)
	p.most = int32(min(laneTime/max(each, 1), laneRun))
	p.since, p.ran = now, 0
}

// allows reports whether a lane that had so many tasks in a row may have another one.
func (p *pace) allows(tasks int32) bool { return tasks < p.most }
