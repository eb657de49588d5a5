package stream_test

import (
	"slices"
	"testing/synctest"

	"github.com/laneway-go/laneway/stream"
)

// degree is that of a step, as Snapshot shows it.
func (j *job) degree(step string) stream.StepDegree {
	j.t.Helper()
	return setting(j, j.Snapshot().Degrees, func(d stream.StepDegree) bool { return d.Step == step })
}

// rate is that of a Throttle, or of the pipeline, as Snapshot shows it.
func (j *job) rate(step string) stream.StepRate {
	j.t.Helper()
	return setting(j, j.Snapshot().Rates, func(r stream.StepRate) bool { return r.Step == step })
}

// setDegree changes the degree that Snapshot shows.
func (j *job) setDegree(step string, n int) {
	j.t.Helper()
	j.set(j.SetDegree(step, j.degree(step).Now, n))
}

// setRate changes the rate that Snapshot shows.
func (j *job) setRate(step string, perSecond float64) {
	j.t.Helper()
	j.set(j.SetRate(step, j.rate(step).Now, perSecond))
}

// set waits until a setting has had its effect.
func (j *job) set(err error) {
	j.t.Helper()
	must(j.t, err)
	synctest.Wait()
}

// setting is the one of a step.
func setting[T any](j *job, all []T, of func(T) bool) T {
	j.t.Helper()
	i := slices.IndexFunc(all, of)
	if i < 0 {
		j.t.Fatalf("Snapshot shows no such step: %+v", all)
	}
	return all[i]
}
