package crashtest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
)

// Workers replace franz-go members under load, one at a time, and are replaced by such in turn. A
// Java member comes and goes between. The others store no resume state, like a worker of a release
// before there was one. So what a worker had finished above its offset is done again, and no more.
func TestMixedGroupRealKafka(t *testing.T) {
	beside(t)
	k := kafkatest.At(t, kafkatest.Real(t))
	topic := k.Topic(partitions)
	f := newFleet(t, job{Brokers: k.Brokers, Group: kafkatest.Name("mixed"), Topic: topic, Session: patience / 2})
	tr := flow(t, k, topic, 480, func(_, n int) string {
		if n%20 == 3 {
			return late
		}
		return "plain"
	})
	var java []string
	franz := []*other{f.joinFranz(), f.joinFranz()}
	for range size(1, rounds(t)) {
		for _, o := range franz {
			w := f.join("")
			f.worksOn(w.Name)
			o.leave()
		}
		f.atWork()
		f.tell(arrived, "java")
		m := kafkatest.JavaMember(t, f.job.Group, topic, "CooperativeStickyAssignor")
		m.Await(100)
		f.terminate(f.ready())
		m.Leave()
		java = append(java, m.Await(100)...)
		f.tell(left, "java")
		f.atWork()
		franz = nil
		for _, w := range slices.Clone(f.live) {
			o := f.joinFranz()
			f.worksOn(o.name)
			f.terminate(w)
			franz = append(franz, o)
		}
	}
	last := f.join("")
	f.worksOn(last.Name)
	for _, o := range franz {
		o.leave()
	}
	k.WaitCommitted(f.job.Group, topic, tr.end(t))
	f.terminate(last)

	es, _, _ := f.log.since(0)
	if f.log.err != nil {
		t.Fatal(f.log.err)
	}
	v := judgeMixed(es, java, tr.keys)
	t.Logf("%d records, %d of them by others; %d repeated, of at most %d that workers had finished above the offsets they left behind",
		v.records, v.byOthers, v.repeated, v.ahead)
	if p := v.problem(); p != "" {
		t.Error(p)
	}
	if v.ahead == 0 || v.byOthers == 0 {
		t.Error("too little happened to prove anything")
	}
}

// ready starts a worker and returns once its pipeline runs. It may have no partition yet.
func (f *fleet) ready() *process {
	f.t.Helper()
	n := f.now()
	p := f.join("")
	f.awaitFrom(n, p.Name+" to run", 1, func(e entry) bool { return e.what == ready && e.worker == p.Name })
	return p
}

// worksOn waits until the member does a record.
func (f *fleet) worksOn(member string) {
	f.t.Helper()
	f.await(member+" to do a record", 1, func(e entry) bool { return e.what == done && e.worker == member })
}

// tell writes a line of a member that is no worker.
func (f *fleet) tell(what, member string) { f.say(entry{what: what, worker: member, key: "-"}) }

func (f *fleet) say(e entry) {
	if _, err := f.write.WriteString(e.String()); err != nil {
		f.t.Error(err)
	}
}

// other is a member that uses franz-go.
type other struct {
	name string
	f    *fleet
	cl   *kgo.Client
	stop context.CancelFunc
	wg   conc.WaitGroup
}

// joinFranz starts a member that does one record after another, and commits what it has done.
func (f *fleet) joinFranz() *other {
	f.t.Helper()
	f.n++
	o := &other{name: fmt.Sprintf("franz%d", f.n), f: f}
	f.tell(arrived, o.name)
	commit := func(ctx context.Context, cl *kgo.Client, _ map[string][]int32) {
		if err := cl.CommitUncommittedOffsets(ctx); err != nil {
			f.t.Errorf("%s cannot commit: %v", o.name, err)
		}
	}
	var err error
	if o.cl, err = kgo.NewClient(kgo.SeedBrokers(f.job.Brokers...), kgo.ConsumerGroup(f.job.Group), kgo.ConsumeTopics(f.job.Topic),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.OnPartitionsRevoked(commit)); err != nil {
		f.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	o.stop = stop
	o.wg.Go(func() {
		defer o.cl.CloseAllowingRebalance()
		for ctx.Err() == nil {
			o.cl.PollRecords(ctx, 20).EachRecord(func(r *kgo.Record) {
				f.say(entry{what: done, worker: o.name, partition: int(r.Partition), offset: r.Offset, key: string(r.Key)})
			})
			commit(context.Background(), o.cl, nil)
			o.cl.AllowRebalance()
		}
	})
	f.t.Cleanup(func() {
		stop()
		o.wg.Wait()
	})
	return o
}

// leave makes the member leave its group and end, and waits until it has.
func (o *other) leave() {
	o.stop()
	o.wg.Wait()
	o.f.tell(left, o.name)
}
