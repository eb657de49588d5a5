package crashtest

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/laneway-go/laneway/internal/kafkatest"
)

const (
	parkParts  = 16
	payload    = 1024           // bytes of a record
	poisonKeys = tableKeys / 20 // 5 %; all their records fail until released
	budget     = 256 << 20      // see MaxBytes
	mostMemory = budget + 32<<20
)

// parking is a load of some seconds for the gate, or of ten minutes with LANEWAY_CRASH_ROUNDS.
//
// It keeps below what stops a partition while lanes are parked. A parked record keeps what was
// fetched with it in memory, so that with 5 % of them everything read counts for MaxBytes. And the
// resume state has room for about 24,000 offsets. Go's collector lets garbage grow to the size of
// what is in use, so the load uses less than half the budget.
func parking(t *testing.T, inFlight int) row {
	const rate = 400
	last := size(10*time.Second, 10*time.Minute)
	return row{load: load{Wide: 32, InFlight: inFlight, Slowest: 2 * time.Millisecond, Commit: 250 * time.Millisecond, Park: true, Bytes: budget},
		rate: rate, records: rate * int(last/time.Second), ends: size(2, rounds(t))}
}

// Workers end in turn by kill -9 and by SIGTERM while keys are parked. Then the poison ends, and
// the keys are resumed, under load. With LANEWAY_CRASH_ROUNDS=6 there are three of each, in ten
// minutes.
func TestParkedKeysRealKafka(t *testing.T) {
	beside(t)
	t.Run("which are kept in memory", func(t *testing.T) { parkedKeys(t, parking(t, 4096)) })
	t.Run("which are set aside", func(t *testing.T) { parkedKeys(t, parking(t, 16)) })
}

func parkedKeys(t *testing.T, r row) {
	k := kafkatest.At(t, kafkatest.Real(t))
	topic := k.Topic(parkParts)
	f := newFleet(t, job{Brokers: k.Brokers, Group: kafkatest.Name("parked"), Topic: topic, Session: 20 * time.Second, Load: &r.load})
	recs, keys, plain := f.poisoned(topic, r.records)
	var writer conc.WaitGroup
	defer writer.Wait()
	writer.Go(func() { r.write(t, k, recs) })
	for _, instance := range []string{"static-0", "static-1", ""} {
		f.join(instance)
	}
	var memory int64 // the most of a worker
	share := plain / (r.ends + 2)
	for n := range r.ends {
		f.reach((n + 1) * share)
		kill := n%2 == 0
		p := f.live[slices.IndexFunc(f.live, func(p *process) bool { return (p.Instance != "") == kill })]
		memory = max(memory, p.memory(t))
		if kill {
			f.kill(p)
		} else {
			f.terminate(p)
		}
		f.join(p.Instance)
	}
	f.reach((r.ends + 1) * share)
	f.release()
	f.reach(r.records)
	ends := map[int32]int64{}
	for n, ks := range keys {
		ends[int32(n)] = int64(len(ks))
	}
	k.WaitCommitted(f.job.Group, topic, ends)
	for _, p := range f.live {
		memory = max(memory, p.memory(t))
	}
	f.terminate(f.live...)

	v := f.judge(keys, limits{wide: r.Wide, inFlight: r.InFlight})
	if v.repeated > v.bound {
		t.Errorf("%d records are repeated after crashes, the bound is %d", v.repeated, v.bound)
	}
	if memory > mostMemory {
		t.Errorf("a worker had %d MiB in memory, want at most %d", memory>>20, mostMemory>>20)
	}
	es, _, _ := f.log.since(0)
	ps := judgeParks(es, keys)
	t.Logf("%v; memory of a worker %d MiB, at most %d", ps, memory>>20, mostMemory>>20)
	if p := ps.problem(); p != "" {
		t.Error(p)
	}
	if len(ps.keys) < poisonKeys/2 || ps.restored == 0 || v.kills == 0 || v.takeovers == 0 {
		t.Error("too little happened to prove anything")
	}
}

// poisoned returns records in the order in which they are written, their keys by partition and
// offset, and how many of them do not fail.
func (f *fleet) poisoned(topic string, records int) (recs []*kgo.Record, keys [][]string, plain int) {
	pad := bytes.Repeat([]byte{'x'}, payload)
	bad, good := fmt.Appendf(nil, "%s %s", poison, pad), fmt.Appendf(nil, "plain %s", pad)
	keys = make([][]string, parkParts)
	for range records {
		n := f.rng.IntN(tableKeys)
		key := fmt.Sprint("k", n)
		rec := &kgo.Record{Topic: topic, Partition: int32(n % parkParts), Key: []byte(key), Value: bad}
		if !isPoison(key) {
			rec.Value = good
			plain++
		}
		recs = append(recs, rec)
		keys[rec.Partition] = append(keys[rec.Partition], key)
	}
	return recs, keys, plain
}

// isPoison reports whether the records of a key fail until released.
func isPoison(key string) bool {
	var n int
	_, err := fmt.Sscanf(key, "k%d", &n)
	return err == nil && n < poisonKeys
}

// memory returns the most memory that a running process has had resident. The usage that is
// reported when a process ends counts that of its parent too.
func (p *process) memory(t *testing.T) (most int64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &most); err == nil {
			return most << 10
		}
	}
	t.Fatalf("%s has no resident memory: %v", p.Name, p.err)
	return 0
}
