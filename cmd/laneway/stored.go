package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/laneway-go/laneway/internal/kafka/inspect"
	"github.com/laneway-go/laneway/internal/kafka/wire"
	"github.com/laneway-go/laneway/internal/resume"
)

// storedGroup is what a group has stored in Kafka.
type storedGroup struct {
	inspect.Group
	name, cluster string
	parts         []*storedPart
	at            time.Time
}

// storedPart is what a group has stored for a partition.
type storedPart struct {
	inspect.Offset
	state  resume.State
	cut    bool      // the log has lost records that the state lists
	void   error     // why the state, or the offset, is ignored
	oldest time.Time // when the record at the offset was written; zero: not known, or there is none
}

var errRecreated = errors.New("the topic was recreated since: workers ignore the offset too, and start as without one")

// readGroup reads from Kafka what a group has stored.
func readGroup(ctx context.Context, c *wire.Client, name string) (*storedGroup, error) {
	g := &storedGroup{name: name, at: time.Now()}
	offsets, err := inspect.Offsets(ctx, c, name)
	if err != nil {
		return nil, err
	}
	if g.Group, err = inspect.Describe(ctx, c, name); err != nil {
		return nil, err
	}
	g.cluster = c.Cluster()
	for _, o := range offsets {
		p := &storedPart{Offset: o}
		p.state, p.void = p.decode(g.scope())
		g.parts = append(g.parts, p)
	}
	return g, nil
}

// scope returns what a group's states are bound to.
func (g *storedGroup) scope() string { return g.cluster + "/" + g.name }

func (p *storedPart) binding(scope string, committed int64) resume.Binding {
	return resume.Binding{Scope: scope, TopicID: p.TopicID, Topic: p.Topic, Partition: p.Partition, Offset: committed}
}

func (p *storedPart) decode(scope string) (resume.State, error) {
	if p.StoredFor != [16]byte{} && p.TopicID != [16]byte{} && p.StoredFor != p.TopicID {
		return resume.State{}, errRecreated
	}
	if p.State == "" {
		return resume.State{}, nil
	}
	s, err := resume.Decode(p.binding(scope, p.Committed), p.State)
	if errors.Is(err, resume.ErrTopicID) {
		return s, fmt.Errorf("%w (%w)", errRecreated, err)
	}
	return p.believed(s), err
}

// believed returns a state without the records that a log has lost since.
func (p *storedPart) believed(s resume.State) (left resume.State) {
	if p.EpochEnd < 0 {
		return s
	}
	for _, r := range s.Finished {
		if r.To = min(r.To, p.EpochEnd); r.From < r.To {
			left.Finished = append(left.Finished, r)
		}
	}
	left.Asides = slices.DeleteFunc(slices.Clone(s.Asides), func(a resume.Aside) bool { return a.From >= p.EpochEnd })
	left.Halts = slices.DeleteFunc(slices.Clone(s.Halts), func(h resume.Halt) bool { return h.By == "" && h.Last >= p.EpochEnd })
	left.Attempts = slices.DeleteFunc(slices.Clone(s.Attempts), func(a resume.Attempts) bool { return a.Offset >= p.EpochEnd })
	p.cut = !same(left, s)
	return left
}

// lag returns how many offsets the group is behind; -1: unknown.
func (p *storedPart) lag() int64 {
	if p.End < 0 {
		return -1
	}
	return max(p.End-max(p.Committed, p.Start), 0)
}

// asideFrom returns the lowest offset from which a lane is set aside; math.MaxInt64: none is.
func (p *storedPart) asideFrom() int64 {
	if len(p.state.Asides) == 0 {
		return math.MaxInt64
	}
	return p.state.Asides[0].From
}

// aside says how many lanes are set aside, and from which offset.
func (p *storedPart) aside() string {
	if len(p.state.Asides) == 0 {
		return "-"
	}
	return fmt.Sprintf("%d from %d", len(p.state.Asides), p.asideFrom())
}

// ahead returns how many offsets above the committed one have finished or are set aside.
func (p *storedPart) ahead() (n int64) {
	for _, r := range p.state.Finished {
		n += r.To - r.From
	}
	return n
}

// says describes what is stored for the partition: in a word, or with a reason.
func (p *storedPart) says() string {
	switch {
	case p.Err != nil:
		return p.Err.Error()
	case p.void != nil:
		return "void: " + p.void.Error()
	case p.End >= 0 && p.Committed > p.End:
		return fmt.Sprintf("the offset is beyond the end of the log, %d", p.End)
	case p.Start > p.Committed:
		return fmt.Sprintf("the log begins at %d: retention has deleted the records below", p.Start)
	case p.cut:
		return fmt.Sprintf("the log was truncated at %d since: the state is ignored from there on", p.EpochEnd)
	case p.State == "":
		return "no state: another client, CommitWith or CommitBefore stored the offset"
	}
	return "ok"
}

// storedHalt is a halt in a resume state.
type storedHalt struct {
	part *storedPart
	resume.Halt
	id string
}

// halts returns the halts and parks in the states. Their ids are unique to the group and the halt.
func (g *storedGroup) halts() (hs []storedHalt) {
	for _, p := range g.parts {
		for _, h := range p.state.Halts {
			sum := sha256.Sum256(fmt.Appendf(nil, "%q %x %d %d %d %d %q %d %x", g.scope(), p.TopicID, p.Partition, h.Scope, h.Offset, h.Last, h.Step, h.Since, h.Lane))
			hs = append(hs, storedHalt{p, h, hex.EncodeToString(sum[:12])})
		}
	}
	slices.SortStableFunc(hs, func(a, b storedHalt) int {
		return cmp.Or(a.part.Compare(b.part.TopicPartition), cmp.Compare(a.Offset, b.Offset))
	})
	return hs
}

func (h storedHalt) record() string { return fmt.Sprintf("%v@%d", h.part.TopicPartition, h.Offset) }

// subject names the record, or the partition that an operator paused or parked.
func (h storedHalt) subject() string {
	if h.By != "" {
		return h.part.String()
	}
	return h.record()
}

func (h storedHalt) span() string {
	if h.Last > h.Offset {
		return fmt.Sprintf("%s…%d", h.record(), h.Last)
	}
	return h.record()
}

func (h storedHalt) what() string {
	switch h.Scope {
	case resume.Lane:
		return "parked key"
	case resume.Record:
		return "parked record"
	}
	if h.By != "" {
		return "paused"
	}
	return "halted"
}

// why returns the error, or the operator.
func (h storedHalt) why() string {
	switch {
	case h.By == "":
		return h.Error
	case h.Scope == resume.Partition:
		return "paused by " + h.By
	}
	return "parked by " + h.By
}

func (h storedHalt) since() time.Time { return time.Unix(h.Since, 0) }
