package adminapi

import (
	"fmt"
	"net/http"
	"time"
)

// What is not known is nil, or left out.

// Process is a worker's process.
type Process struct {
	Instance string    `json:"instance"` // Drain needs it
	Started  time.Time `json:"started"`
	At       time.Time `json:"at"`       // now, by its clock
	Drains   bool      `json:"drains"`   // Drain is possible
	Previews bool      `json:"previews"` // Record is possible
	You      You       `json:"you"`
}

// Replicas lists the processes of a fleet.
type Replicas struct {
	Replicas []ReplicaInfo `json:"replicas"`
}

// ReplicaInfo is a process of a fleet, as the one that was asked sees it.
type ReplicaInfo struct {
	Addr    string   `json:"addr"`    // host:port; empty: the one that was asked, if it is no peer of its own
	Self    bool     `json:"self"`    // it is the one that was asked
	Process *Process `json:"process"` // nil: it does not answer, or has refused
	Error   string   `json:"error,omitempty"`
}

// You is the caller, by its token or certificate.
type You struct {
	Name  string `json:"name"`
	Scope string `json:"scope"` // none, read or operate
}

// Pipelines lists the pipelines of a process.
type Pipelines struct {
	Pipelines []Pipeline `json:"pipelines"`
}

// Pipeline is what a pipeline is made of, and how it stands.
type Pipeline struct {
	ID       string    `json:"id"`
	Running  bool      `json:"running"`
	Ready    bool      `json:"ready"`
	Reason   string    `json:"reason,omitempty"` // why it is not ready
	Failed   string    `json:"failed,omitempty"` // what its last run ended with
	Topology Topology  `json:"topology"`
	Counters Counters  `json:"counters"`
	Degrees  []Degree  `json:"degrees"` // that can be set
	Rates    []Rate    `json:"rates"`   // the pipeline's, then those of Throttles; none if it does not run
	Troubles []Trouble `json:"troubles"`
}

// Topology is a chain, as Describe prints it.
type Topology struct {
	Source    string   `json:"source"`
	Sources   []Source `json:"sources"` // of a Merge; empty: there is one source
	Guarantee string   `json:"guarantee"`
	Rate      string   `json:"rate,omitempty"` // what an operator has set
	Stages    []Stage  `json:"stages"`
	Text      string   `json:"text"`
}

// Source is a source of a Merge.
type Source struct {
	ID   string `json:"id"` // Source of its partitions
	Name string `json:"name"`
}

// Stage is what one goroutine at a time runs of a chain.
type Stage struct {
	Degree  string   `json:"degree"`
	Order   string   `json:"order"`
	Branch  []string `json:"branch"`  // the forks that lead to it, by name; empty: it is on the main line
	Sources []string `json:"sources"` // of a Merge, whose elements come here; empty: all
	Steps   []Step   `json:"steps"`
	Commit  string   `json:"commit,omitempty"`
}

// Step is a word of a chain.
type Step struct {
	Name     string   `json:"name"`
	Word     string   `json:"word"`
	Detail   string   `json:"detail,omitempty"`
	Policies []string `json:"policies"`          // in the order of escalation
	OnError  string   `json:"onError,omitempty"` // the same in words; empty: it cannot fail
	Branch   []string `json:"branch"`            // as in Stage; longer where the branch runs in the worker of its fork
	Sources  []string `json:"sources"`           // as in Stage; fewer for a word above a Merge that runs below it
	// what it has done in the last 15 seconds. It is measured while Pipelines is called at least once
	// a minute. nil: it was not measured, or the step was not called
	Work *Work `json:"work"`
}

// Work is what a step has done in the last 15 seconds, estimated from a sample of its calls.
type Work struct {
	PerSecond       float64  `json:"perSecond"`       // calls; one of a batch is of many records
	FailedPerSecond float64  `json:"failedPerSecond"` // of these
	Median          *float64 `json:"median"`          // of the latency of calls, in seconds; nil: there were none
	Slow            *float64 `json:"slow"`            // 99 % of calls took less, in seconds
}

// Counters counts what waits in a pipeline.
type Counters struct {
	Retrying  int `json:"retrying"`  // elements that wait for their next attempt
	Postponed int `json:"postponed"` // elements whose call was not made
	Overruns  int `json:"overruns"`  // handlers that run on after their Timeout
	Waiting   int `json:"waiting"`   // waits that hold no worker
}

// Degree is how many elements a step works on at a time.
type Degree struct {
	Step  string `json:"step"`
	Built int    `json:"built"` // as the chain has it
	Now   int    `json:"now"`
	Busy  int    `json:"busy"` // at work; above Now until that many are done
}

// Rate is how many elements pass a Throttle in a second, or how many records a pipeline starts; 0:
// no limit.
type Rate struct {
	Step  string  `json:"step"` // empty: the pipeline
	Built float64 `json:"built"`
	Now   float64 `json:"now"`
}

// RateText is a rate in words: "5 a second", or "no limit" for 0.
func RateText(perSecond float64) string {
	if perSecond == 0 {
		return "no limit"
	}
	return fmt.Sprintf("%g a second", perSecond)
}

// Trouble is why a topic or a partition cannot be read.
type Trouble struct {
	Source    string    `json:"source,omitempty"`
	Topic     string    `json:"topic"`
	Partition *int      `json:"partition"` // nil: the whole topic
	Since     time.Time `json:"since"`
	Error     string    `json:"error"`
}

// Partitions lists the assigned partitions of a pipeline.
type Partitions struct {
	Partitions []Partition `json:"partitions"`
}

// Partition is how a partition stands, and what it waits for.
type Partition struct {
	Source        string     `json:"source,omitempty"` // its name in a Merge
	Topic         string     `json:"topic"`
	Partition     int        `json:"partition"`
	Epoch         int32      `json:"epoch"` // of this assignment; Pause needs it
	State         string     `json:"state"`
	Cause         string     `json:"cause"` // as stream.Cause; empty: it moves
	Why           string     `json:"why"`   // the same in words
	Since         *time.Time `json:"since"`
	Watermark     int64      `json:"watermark"`
	Committed     *int64     `json:"committed"`
	Next          int64      `json:"next"`
	End           *int64     `json:"end"`
	Lag           *int64     `json:"lag"`
	LagSeconds    *float64   `json:"lagSeconds"` // age of the oldest record of the lag, by its timestamp
	ActiveLag     *int64     `json:"activeLag"`  // without the records that have finished or are parked
	InFlight      int        `json:"inFlight"`
	FinishedAhead int64      `json:"finishedAhead"`
	SetAside      int        `json:"setAside"`     // lanes whose later records are not in memory
	SetAsideFrom  *int64     `json:"setAsideFrom"` // the lowest offset where those begin
	Bytes         int64      `json:"bytes"`
	Room          Room       `json:"room"`
	Totals        Totals     `json:"totals"`
}

// Totals counts records since the assignment began.
type Totals struct {
	Delivered   int64 `json:"delivered"`
	Finished    int64 `json:"finished"`
	Uncommitted int64 `json:"uncommitted"`
	Bytes       int64 `json:"bytes"`
}

// Explanation is why a partition does not move: see stream.Explanation.
type Explanation struct {
	Source        string     `json:"source,omitempty"`
	Topic         string     `json:"topic"`
	Partition     int        `json:"partition"`
	At            time.Time  `json:"at"`
	Cause         string     `json:"cause"`
	Also          []string   `json:"also"`
	Since         *time.Time `json:"since"`
	Until         *time.Time `json:"until"` // when the cause ends by itself
	Text          string     `json:"text"`  // all of it for a person
	Record        *Record    `json:"record"`
	Step          string     `json:"step,omitempty"`
	Attempt       int        `json:"attempt,omitempty"`
	Error         string     `json:"error,omitempty"`
	Detail        string     `json:"detail,omitempty"`
	Setting       string     `json:"setting,omitempty"` // what an operator has set that makes it wait
	Stack         string     `json:"stack,omitempty"`   // with a token
	State         string     `json:"state,omitempty"`   // empty: not assigned here
	Watermark     int64      `json:"watermark"`
	Committed     *int64     `json:"committed"`
	Next          int64      `json:"next"`
	End           *int64     `json:"end"`
	Behind        int        `json:"behind"`
	BehindKey     int        `json:"behindKey"`
	FinishedAhead int64      `json:"finishedAhead"`
	Room          Room       `json:"room"`
}

// Record is the record at a watermark.
type Record struct {
	Offset    int64      `json:"offset"`
	Key       string     `json:"key,omitempty"` // with a token
	Time      *time.Time `json:"time"`          // null: it has none, or its year has not four digits
	Delivered time.Time  `json:"delivered"`
}

// Lanes lists the hottest and the oldest keys of a partition.
type Lanes struct {
	Lanes []Lane `json:"lanes"` // by the offset of their first unfinished record
	Total int    `json:"total"` // of all keys with unfinished records
}

// Lane is the unfinished records of a key, and what the first of them waits for.
type Lane struct {
	Key       string     `json:"key,omitempty"`       // with a token; cut after 128 bytes
	KeyBase64 string     `json:"keyBase64,omitempty"` // with a token: the whole key, for Park; empty: over 1 KiB
	Keyless   bool       `json:"keyless"`             // these are the records without a key
	Records   int        `json:"records"`
	Offset    int64      `json:"offset"` // of the first
	Time      *time.Time `json:"time"`
	Delivered time.Time  `json:"delivered"`
	Cause     string     `json:"cause"`
	Why       string     `json:"why"` // the same in words
	Since     *time.Time `json:"since"`
	Until     *time.Time `json:"until"` // when the cause ends by itself
	Step      string     `json:"step,omitempty"`
	Attempt   int        `json:"attempt,omitempty"`
	Error     string     `json:"error,omitempty"`
}

// Room is what may still be read of a partition, by each limit. All are 0 if it is not assigned.
type Room struct {
	Records    int    `json:"records"`
	MaxRecords int    `json:"maxRecords"` // MaxInFlight
	Bytes      int64  `json:"bytes"`
	MaxBytes   int64  `json:"maxBytes"` // the partition's share of MaxBytes
	Ahead      *int64 `json:"ahead"`    // offsets, by MaxFinishedAhead; nil: no resume state is stored
	State      *int64 `json:"state"`    // records, before the resume state is full; nil as for Ahead
}

// Halts lists what is halted, parked or paused, in all pipelines of a process.
type Halts struct {
	Halts []Halt `json:"halts"`
}

// Halt is what has stopped, and what ends it.
type Halt struct {
	ID        string     `json:"id"` // Resume and Skip need it
	Pipeline  string     `json:"pipeline"`
	Scope     string     `json:"scope"` // what has stopped: partition, lane or record
	Source    string     `json:"source,omitempty"`
	Topic     string     `json:"topic"`
	Partition int        `json:"partition"`
	Epoch     int32      `json:"epoch"`
	Offset    int64      `json:"offset"`
	Last      int64      `json:"last"`          // offset of the last record that may be the cause
	Joined    bool       `json:"joined"`        // the records from Offset to Last are one element
	AsideFrom *int64     `json:"asideFrom"`     // later records of a parked lane, from there on, are read again after the park
	Restored  bool       `json:"restored"`      // of an earlier assignment, and not tried in this one
	By        string     `json:"by,omitempty"`  // who has paused it, or parked its key
	Durable   bool       `json:"durable"`       // it survives a rebalance and a restart
	Key       string     `json:"key,omitempty"` // with a token
	Step      string     `json:"step"`
	Attempts  int        `json:"attempts"`
	Since     time.Time  `json:"since"`
	ResumeAt  *time.Time `json:"resumeAt"` // when it ends by itself
	Error     string     `json:"error"`
	Stack     string     `json:"stack,omitempty"` // of a panic; with a token
	Text      string     `json:"text"`
	Resume    string     `json:"resume"` // what Resume will do
	Skip      string     `json:"skip"`   // what Skip will do; empty: it is refused
	Choose    bool       `json:"choose"` // Skip needs From and To
}

// History is the last 15 minutes of a pipeline, the oldest sample first. A Handler has samples only
// of times at which somebody looked.
type History struct {
	Samples []Sample `json:"samples"`
	Next    int64    `json:"next"` // for what comes later
}

// Sample is what a pipeline has done in the 5 seconds before At, and how it stood then.
type Sample struct {
	Seq               int64     `json:"seq"`
	At                time.Time `json:"at"`
	FinishedPerSecond float64   `json:"finishedPerSecond"` // records
	FailedPerSecond   float64   `json:"failedPerSecond"`   // attempts
	Lag               *int64    `json:"lag"`               // without records that have finished or are parked; nil: unknown
	InFlight          int       `json:"inFlight"`
}

// Preview is the record of a halt, as the worker's admin.Previews shows it.
type Preview struct {
	Text      string `json:"text"`
	Truncated bool   `json:"truncated"`
}

// Events lists the last events of a process, the oldest first.
type Events struct {
	Events []Event `json:"events"`
	Next   int64   `json:"next"` // for what comes later
}

// Event is what has happened, or a change that somebody has asked for.
type Event struct {
	Seq       int64     `json:"seq"`
	At        time.Time `json:"at"`
	Level     string    `json:"level"` // info, warn or error
	Kind      string    `json:"kind"`
	Pipeline  string    `json:"pipeline,omitempty"`
	Source    string    `json:"source,omitempty"`
	Topic     string    `json:"topic,omitempty"`
	Partition *int      `json:"partition,omitempty"`
	Offset    *int64    `json:"offset,omitempty"`
	Key       string    `json:"key,omitempty"` // with a token
	Step      string    `json:"step,omitempty"`
	Text      string    `json:"text"`
	Stack     string    `json:"stack,omitempty"` // of a panic; with a token
	Halt      string    `json:"halt,omitempty"`  // the id of the halt that a change was asked for
	By        string    `json:"by,omitempty"`    // who has asked for the change
	From      string    `json:"from,omitempty"`  // and from where; with a token
}

// Done answers a change that was accepted.
type Done struct {
	Done bool   `json:"done"` // false: it is under way
	Text string `json:"text"`
}

// Resumed answers a ResumeMany.
type Resumed struct {
	Results []Result `json:"results"` // of each halt, in the order of the request
}

// Result is what came of a halt.
type Result struct {
	Halt   string `json:"halt"`   // its id
	Status int    `json:"status"` // as Resume of this halt alone would answer: 200, 409 or 422
	Done   bool   `json:"done"`   // false: it is under way, or refused
	Text   string `json:"text"`
}

// Err is why the halt was not resumed, as a *Problem; nil: it was.
func (r Result) Err() error { return refused(r.Status, r.Text) }

// Paused answers a PauseAll.
type Paused struct {
	// of each partition, in the order of the request, then of those that the caller did not see:
	// they are refused
	Results []PauseResult `json:"results"`
}

// PauseResult is what came of a partition.
type PauseResult struct {
	Source    string `json:"source,omitempty"`
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Halt      string `json:"halt,omitempty"` // the id of the pause, for ResumeMany; empty: there is none
	Status    int    `json:"status"`         // as Pause of this partition alone would answer: 200, 409 or 422
	Text      string `json:"text"`
}

// Err is why the partition was not paused, as a *Problem; nil: it was.
func (r PauseResult) Err() error { return refused(r.Status, r.Text) }

func refused(status int, text string) error {
	if status == http.StatusOK {
		return nil
	}
	return &Problem{Status: status, Title: http.StatusText(status), Detail: text}
}

// Problem answers what cannot be done, and is its error: RFC 9457.
type Problem struct {
	Status int    `json:"status"` // of HTTP; 409: things are not as the caller saw them
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string { return p.Detail }
