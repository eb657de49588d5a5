package prommetrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/stream"
)

var (
	degree      = ofStep("step_degree", "How many elements the step may work on at a time: see Pipeline.SetDegree.")
	degreeBuilt = ofStep("step_degree_built", "The same as the chain has it.")
	rate        = ofStep("rate_limit", "How many elements may pass the Throttle in a second, or how many records the pipeline may start, with an empty step; left out without a limit: see Pipeline.SetRate.")
	rateBuilt   = ofStep("rate_limit_built", "The same as the chain has it.")
)

func ofStep(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("laneway_"+name, help, []string{"pipeline", "step"}, nil)
}

// tuned adds up what operators can set, over all pipelines of one name.
type tuned map[*prometheus.Desc]map[string]float64 // by step

func (t tuned) add(d *prometheus.Desc, step string, v float64) {
	if t[d] == nil {
		t[d] = map[string]float64{}
	}
	t[d][legible.Text(step)] += v
}

func (t tuned) read(s *stream.Snapshot) {
	for _, d := range s.Degrees {
		t.add(degree, d.Step, float64(d.Now))
		t.add(degreeBuilt, d.Step, float64(d.Built))
	}
	for _, r := range s.Rates {
		if r.Now > 0 {
			t.add(rate, r.Step, r.Now)
		}
		if r.Built > 0 {
			t.add(rateBuilt, r.Step, r.Built)
		}
	}
}

func (t tuned) collect(pipeline string, ch chan<- prometheus.Metric) {
	for d, steps := range t {
		for step, v := range steps {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, pipeline, step)
		}
	}
}
