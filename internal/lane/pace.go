package lane

import "time"

// pace limits how many tasks of a lane a worker runs in a row while others wait. Slow handlers
// yield after each task, so that the oldest records go first everywhere. Fast handlers do not,
// since changing lanes would cost more than they do.
type pace struct {
	since time.Time // start of the counted tasks
	ran   int32     // since then
	most  int32
}

const (
	laneTime = 50 * time.Microsecond // time that a lane may run in a row
	laneRun  = 256                   // and the maximum number of tasks
)

// count adds tasks of a lane that ran in a row.
func (p *pace) count(tasks int32) {
	if p.ran += tasks; p.ran < p.most {
		return
	}
	now := time.Now()
	each := now.Sub(p.since) / time.Duration(p.ran)
	p.most = int32(min(laneTime/max(each, 1), laneRun))
	p.since, p.ran = now, 0
}

// allows reports whether a lane that ran that many tasks in a row may run another.
func (p *pace) allows(tasks int32) bool { return tasks < p.most }
