package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// place is a partition on the command line.
type place struct {
	source string // in a Merge
	topic  string
	n      int
}

func (p place) String() string { return p.of() + fmt.Sprintf("%s[%d]", p.topic, p.n) }

// slashed writes a partition so that no shell expands it.
func (p place) slashed() string { return p.of() + fmt.Sprintf("%s/%d", p.topic, p.n) }

// of returns the source as the prefix of a topic.
func (p place) of() string {
	if p.source == "" {
		return ""
	}
	return p.source + "/"
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.source, q.source), cmp.Compare(p.topic, q.topic), cmp.Compare(p.n, q.n))
}

// parsePlace reads orders[3], as logs and errors write it, or orders/3, which no shell expands. A
// source is a prefix: eu/orders[3].
func parsePlace(text string) (place, error) {
	topic, number, ok := strings.Cut(strings.TrimSuffix(text, "]"), "[")
	if !ok || !strings.HasSuffix(text, "]") {
		if at := strings.LastIndexByte(text, '/'); at >= 0 {
			topic, number = text[:at], text[at+1:]
		}
	}
	source, inside, several := strings.Cut(topic, "/")
	if several {
		topic = inside
	} else {
		source = ""
	}
	n, err := strconv.Atoi(number)
	if topic == "" || err != nil || n < 0 || several && source == "" {
		return place{}, usage("%q is no partition: write it as topic[3], or topic/3", text)
	}
	return place{source, topic, n}, nil
}

func parsePlaces(texts []string) (ps []place, err error) {
	for _, text := range texts {
		p, bad := parsePlace(text)
		ps, err = append(ps, p), errors.Join(err, bad)
	}
	return ps, err
}

// view is what a replica reports about itself.
type view struct {
	At        string            `json:"replica"`
	Error     string            `json:"error,omitempty"` // it does not answer
	Process   *adminapi.Process `json:"process,omitempty"`
	Pipelines []pipelineView    `json:"pipelines,omitempty"`
	Halts     []adminapi.Halt   `json:"halts,omitempty"`

	replica adminapi.Replica
}

type pipelineView struct {
	adminapi.Pipeline
	Partitions []adminapi.Partition `json:"partitions"`
}

// look asks all replicas about a pipeline, or about all pipelines if the name is empty. It returns
// the errors of replicas that did not answer; their views have them too.
func look(ctx context.Context, f *adminapi.Fleet, pipeline string) ([]view, error) {
	views, err := []view{}, silent(f)
	for _, r := range f.Replicas {
		if r.Err != nil {
			views = append(views, view{At: r.Addr(), Error: saidNo(r.Err), replica: r})
		}
	}
	for _, a := range f.Ask(ctx, func(c *adminapi.Client, ctx context.Context) (v view, err error) { return lookAt(ctx, c, pipeline) }) {
		v := a.Value
		v.At, v.replica, v.Process = a.From.Addr(), a.From, &a.From.Process
		if a.Err != nil {
			v.Error, err = saidNo(a.Err), errors.Join(err, unheard(a.From, a.Err))
		}
		views = append(views, v)
	}
	slices.SortStableFunc(views, func(a, b view) int { return cmp.Compare(a.At, b.At) })
	return views, errors.Join(err, unknown(views, pipeline))
}

// unknown is the error of a pipeline that no replica has.
func unknown(views []view, pipeline string) error {
	if pipeline == "" || slices.ContainsFunc(views, func(v view) bool { return v.Error != "" || len(v.Pipelines) > 0 }) {
		return nil
	}
	return usage("no replica has a pipeline %s: laneway status lists the pipelines", pipeline)
}

// unanswered counts the replicas that did not answer.
func unanswered(views []view) (n int) {
	for _, v := range views {
		if v.Error != "" {
			n++
		}
	}
	return n
}

// asFarAs limits a statement about the fleet to the replicas that answered.
func asFarAs(views []view) string {
	if unanswered(views) > 0 {
		return " at the replicas that answer"
	}
	return ""
}

func lookAt(ctx context.Context, c *adminapi.Client, pipeline string) (v view, err error) {
	pipelines, err := c.Pipelines(ctx)
	if err != nil {
		return v, err
	}
	for _, p := range pipelines {
		if pipeline != "" && p.ID != pipeline {
			continue
		}
		partitions, err := c.Partitions(ctx, p.ID)
		if err != nil {
			return v, err
		}
		v.Pipelines = append(v.Pipelines, pipelineView{p, partitions})
	}
	halts, err := c.Halts(ctx)
	for _, h := range halts {
		if pipeline == "" || h.Pipeline == pipeline {
			v.Halts = append(v.Halts, h)
		}
	}
	return v, err
}

// now is the time by the clock of the replica.
func (v view) now() time.Time { return v.Process.At }

// owned is a partition and the replica that has it.
type owned struct {
	view     view
	pipeline string
	adminapi.Partition
}

func (o owned) place() place { return place{o.Source, o.Topic, o.Partition.Partition} }

// seen names the partition in the epoch that its replica has just reported.
func (o owned) seen() adminapi.Seen {
	return adminapi.Seen{Source: o.Source, Topic: o.Topic, Partition: &o.Partition.Partition, Epoch: &o.Epoch}
}

// paused reports whether an operator has paused it.
func (o owned) paused() bool {
	return slices.ContainsFunc(o.view.Halts, func(h adminapi.Halt) bool {
		one := halted{o.view.At, h, o.view}
		return one.paused() && h.Pipeline == o.pipeline && one.place() == o.place()
	})
}

// partitions returns the partitions of all replicas, in order.
func partitions(views []view) (all []owned) {
	for _, v := range views {
		for _, p := range v.Pipelines {
			for _, q := range p.Partitions {
				all = append(all, owned{v, p.ID, q})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b owned) int {
		return cmp.Or(cmp.Compare(a.pipeline, b.pipeline), a.place().compare(b.place()))
	})
	return all
}

// needsSomebody lists the causes that do not end by themselves within seconds.
var needsSomebody = map[string]bool{"halt": true, "park": true, "pause": true, "unreadable": true, "disconnected": true, "restore": true}

// patience is how long a partition may wait for anything else before it is shown as stuck.
const patience = 10 * time.Second

// stuck reports whether an operator should look at a partition.
func (o owned) stuck() bool {
	switch {
	case o.Cause == "" || o.Cause == "idle":
		return false
	case needsSomebody[o.Cause]:
		return true
	}
	return o.Since != nil && o.view.now().Sub(*o.Since) >= patience
}

// why says what the partition waits for.
func (o owned) why() string {
	return strings.TrimPrefix(o.Why, o.place().String()+" ")
}

// halted is a halt and the replica that has it.
type halted struct {
	At string `json:"replica"`
	adminapi.Halt
	view view
}

// halts returns the halts of all replicas, the oldest first.
func halts(views []view) (all []halted) {
	for _, v := range views {
		for _, h := range v.Halts {
			all = append(all, halted{v.At, h, v})
		}
	}
	slices.SortStableFunc(all, func(a, b halted) int { return a.Since.Compare(b.Since) })
	return all
}

func (h halted) place() place   { return place{h.Source, h.Topic, h.Partition} }
func (h halted) byHand() bool   { return h.By != "" }
func (h halted) paused() bool   { return h.byHand() && h.Scope == "partition" }
func (h halted) record() string { return fmt.Sprintf("%v@%d", h.place(), h.Offset) }

// shortest returns how many characters of the ids are needed to tell halts apart.
func shortest(hs []halted) int {
	var ids []string
	for _, h := range hs {
		ids = append(ids, h.ID)
	}
	return shortestID(ids)
}

// shortestID returns how many characters are needed to tell ids apart, at least 8.
func shortestID(ids []string) int {
	for n := 8; ; n++ {
		seen := map[string]bool{}
		for _, id := range ids {
			if len(id) <= n {
				return len(id)
			}
			seen[id[:n]] = true
		}
		if len(seen) == len(ids) {
			return n
		}
	}
}
