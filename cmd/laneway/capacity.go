package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func capacityCommand() *cobra.Command {
	l := load{}
	var o output
	c := &cobra.Command{
		Use:   "capacity --rate N --time DURATION",
		Short: "Calculate degree, memory and room of a worker",
		Long: `Calculates what one replica needs and bears: its degree, its memory, how long it reads on in an
outage, and what its resume state has room for. Each line has its formula, which docs/capacity.md
explains. Of several replicas, each has its part of the records, partitions and parked keys.

It asks nobody. MaxInFlight, MaxFinishedAhead and MaxBytes are those that a pipeline has by default.`,
		Example: `  laneway capacity --rate 1000 --time 20ms
  laneway capacity --rate 1000 --time 20ms --size 2048 --partitions 12 --parked 6000`,
		Args:              arguments(0, 0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := l.fault(); err != nil {
				return err
			}
			return writeCapacity(c.OutOrStdout(), o, l)
		},
	}
	f := c.Flags()
	f.Float64Var(&l.Rate, "rate", 0, "`records` a second")
	f.DurationVar(&l.Time, "time", 0, "`how long` the handler takes for a record, such as 20ms")
	f.IntVar(&l.Size, "size", 1024, "`bytes` of a record")
	f.IntVar(&l.Partitions, "partitions", 12, "`partitions` of the replica")
	f.IntVar(&l.Parked, "parked", 0, "`keys` that may be parked at a time, over all partitions")
	f.IntVar(&l.Metadata, "metadata", 4096, "`bytes` of the brokers' offset.metadata.max.bytes")
	o.flag(c)
	return c
}

// fault is what is wrong with the command line.
func (l load) fault() error {
	const most = 1 << 30 // of each number, so that none overflows
	switch {
	case !(l.Rate > 0 && l.Rate <= most):
		return usage("laneway capacity needs --rate, the records a second: a number above 0, up to %d", most)
	case l.Time <= 0 || l.Time > 24*time.Hour:
		return usage("laneway capacity needs --time, how long the handler takes: longer than 0, up to 24h")
	case l.Partitions < 1 || l.Partitions > 1_000_000:
		return usage("--partitions %d: use a number from 1 to 1000000", l.Partitions)
	}
	for name, n := range map[string]int{"size": l.Size, "parked": l.Parked, "metadata": l.Metadata} {
		if n < 0 || n > most {
			return usage("--%s %d: use a number from 0 to %d", name, n, most)
		}
	}
	return nil
}

// calculated is a line of the calculation.
type calculated struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Text    string  `json:"text"` // value and unit for people
	Formula string  `json:"formula"`
}

func (l load) results() []calculated {
	share := fmt.Sprintf("max(%s, MaxBytes / partitions, size)", sized(leastShare))
	return []calculated{
		counts("at work", l.atWork(), "records", "rate × time"),
		counts("degree", float64(l.degree()), "records at a time", "at work, and a third more"),
		counts("one key", l.perKey(), "records a second", "1 / time, below GroupByKey"),
		counts("in flight", float64(l.inFlight()), "records", "partitions × min(MaxInFlight, share / size); share = "+share),
		{"payload", float64(l.payload()), "bytes", sized(l.payload()), "partitions × share"},
		{"memory", float64(l.memory()), "bytes", sized(l.memory()), "2 × payload + degree × size: GOMEMLIMIT"},
		{"container", float64(l.container()), "bytes", sized(l.container()), "memory × 10 / 9"},
		{"outage", l.outage().Seconds(), "seconds", l.rides(), "in flight / rate, until reading stops; then the topic's retention"},
		counts("finished ahead", float64(l.ahead()), "offsets of a partition", "a bit for each, in the metadata"),
		counts("unfinished", float64(l.unfinished()), "records of a partition", fmt.Sprintf("4 bytes for each, beyond the offsets above; up to %s offsets ahead", digits(maxFinishedAhead))),
		counts("parked keys", float64(l.lanes()), "of a partition, set aside", "11 bytes for each; "+l.parks()),
	}
}

// rides is the outage for people.
func (l load) rides() string {
	if d := l.outage(); d >= time.Minute {
		return ago(d)
	}
	return l.outage().Round(time.Millisecond).String()
}

// parks says whether the parked keys have room.
func (l load) parks() string {
	each, needed := digits(l.parkedEach()), l.metadataNeeded()
	switch {
	case l.parkedEach() <= l.lanes():
		return fmt.Sprintf("%s have room", each)
	case needed > 0:
		return fmt.Sprintf("%s need offset.metadata.max.bytes=%d", each, needed)
	}
	return fmt.Sprintf("%s have no room, however large the metadata is", each)
}

func counts(name string, n float64, unit, formula string) calculated {
	text := digits(int(n))
	if n < 100 {
		text = strconv.FormatFloat(math.Round(n*10)/10, 'f', -1, 64)
	}
	return calculated{name, n, unit, text + " " + unit, formula}
}

// digits groups the digits of a number by thousands.
func digits(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// sized is a number of bytes for people.
func sized(bytes int) string {
	unit, n := "KiB", float64(bytes)/(1<<10)
	for _, next := range []string{"MiB", "GiB", "TiB"} {
		if n >= 1<<10 {
			unit, n = next, n/(1<<10)
		}
	}
	return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0") + " " + unit
}

func writeCapacity(w io.Writer, o output, l load) error {
	if o == asJSON {
		return writeJSON(w, struct {
			Load    load         `json:"load"`
			Results []calculated `json:"results"`
		}{l, l.results()})
	}
	t := newTable("WHAT", "VALUE", "FORMULA")
	for _, r := range l.results() {
		t.row(r.Name, r.Text, r.Formula)
	}
	return t.write(w)
}
