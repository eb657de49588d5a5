package main

import (
	"encoding/hex"
	"time"
)

// groupJSON is what inspect -o json shows.
type groupJSON struct {
	Group      string       `json:"group"`
	Cluster    string       `json:"cluster"`
	State      string       `json:"state"`
	Members    []memberJSON `json:"members"`
	Partitions []partJSON   `json:"partitions"`
}

type memberJSON struct {
	ID       string `json:"id"`
	Instance string `json:"instance,omitempty"`
	Client   string `json:"client"`
	Host     string `json:"host"`
}

type partJSON struct {
	Topic         string        `json:"topic"`
	Partition     int           `json:"partition"`
	Committed     int64         `json:"committed"`
	LeaderEpoch   int32         `json:"leaderEpoch"` // -1: none
	Start         *int64        `json:"start"`
	End           *int64        `json:"end"`
	Lag           *int64        `json:"lag"`
	Oldest        *time.Time    `json:"oldest"` // when the record at the offset was written
	FinishedAhead int64         `json:"finishedAhead"`
	Finished      []runJSON     `json:"finished"` // except lanes that are set aside
	Aside         []asideJSON   `json:"aside"`
	Halts         []haltJSON    `json:"halts"`
	Attempts      []attemptJSON `json:"attempts"`
	State         string        `json:"state"` // in words
	Void          bool          `json:"void"`
}

type runJSON struct {
	From int64 `json:"from"`
	To   int64 `json:"to"` // the first offset behind it
}

type asideJSON struct {
	Lane string `json:"lane"` // the hash of its key
	From int64  `json:"from"` // its records from there on are not finished
}

type haltJSON struct {
	ID       string     `json:"id"`
	What     string     `json:"what"`
	Offset   int64      `json:"offset"`
	Last     int64      `json:"last"`
	Joined   bool       `json:"joined"`
	Key      string     `json:"key"` // cut, or left out, if the state had no space for it
	Step     string     `json:"step"`
	Attempts int        `json:"attempts"`
	Since    time.Time  `json:"since"`
	ResumeAt *time.Time `json:"resumeAt"`
	Error    string     `json:"error"`
	By       string     `json:"by,omitempty"` // who paused the partition or parked the key
}

type attemptJSON struct {
	Offset int64  `json:"offset"`
	Step   string `json:"step"`
	Failed int    `json:"failed"`
}

func (g *storedGroup) json() groupJSON {
	all := groupJSON{Group: g.name, Cluster: g.cluster, State: g.State, Members: []memberJSON{}, Partitions: []partJSON{}}
	for _, m := range g.Members {
		all.Members = append(all.Members, memberJSON{m.ID, m.Instance, m.Client, m.Host})
	}
	hs := g.halts()
	for _, p := range g.parts {
		one := partJSON{Topic: p.Topic, Partition: p.Partition, Committed: p.Committed, LeaderEpoch: p.LeaderEpoch,
			Start: known(p.Start), End: known(p.End), Lag: known(p.lag()), FinishedAhead: p.ahead(),
			Finished: []runJSON{}, Aside: []asideJSON{}, Halts: []haltJSON{}, Attempts: []attemptJSON{}, State: p.says(), Void: p.void != nil}
		if y := p.oldest.Year(); !p.oldest.IsZero() && y >= 0 && y <= 9999 { // others JSON has no time for
			one.Oldest = &p.oldest
		}
		for _, r := range p.state.Finished {
			one.Finished = append(one.Finished, runJSON(r))
		}
		for _, a := range p.state.Asides {
			one.Aside = append(one.Aside, asideJSON{hex.EncodeToString(a.Lane[:]), a.From})
		}
		for _, h := range hs {
			if h.part == p {
				one.Halts = append(one.Halts, h.json())
			}
		}
		for _, a := range p.state.Attempts {
			one.Attempts = append(one.Attempts, attemptJSON(a))
		}
		all.Partitions = append(all.Partitions, one)
	}
	return all
}

func (h storedHalt) json() haltJSON {
	one := haltJSON{ID: h.id, What: h.what(), Offset: h.Offset, Last: h.Last, Joined: h.Joined, Key: h.Key, Step: h.Step,
		Attempts: h.Attempts, Since: h.since(), Error: h.why(), By: h.By}
	if h.ResumeAt != 0 {
		at := time.Unix(h.ResumeAt, 0)
		one.ResumeAt = &at
	}
	return one
}

// known returns nil for an unknown number.
func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}
