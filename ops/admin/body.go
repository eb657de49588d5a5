package admin

import (
	"time"
)

// The bodies of answers, as openapi.json describes them. What is not known is null or left out.
type (
	processBody struct {
		Instance string    `json:"instance"`
		Started  time.Time `json:"started"`
		At       time.Time `json:"at"`
		Drains   bool      `json:"drains"`   // POST /v1/drain is there
		Previews bool      `json:"previews"` // records can be seen
		You      youBody   `json:"you"`
	}
	youBody struct {
		Name  string `json:"name"`
		Scope string `json:"scope"`
	}

	pipelinesBody struct {
		Pipelines []pipelineBody `json:"pipelines"`
	}
	pipelineBody struct {
		ID       string        `json:"id"`
		Running  bool          `json:"running"`
		Ready    bool          `json:"ready"`
		Reason   string        `json:"reason,omitempty"` // why it is not ready
		Failed   string        `json:"failed,omitempty"` // what its last run ended with
		Topology topologyBody  `json:"topology"`
		Counters countersBody  `json:"counters"`
		Troubles []troubleBody `json:"troubles"`
	}
	topologyBody struct {
		Source    string      `json:"source"`
		Guarantee string      `json:"guarantee"`
		Stages    []stageBody `json:"stages"`
		Text      string      `json:"text"`
	}
	stageBody struct {
		Degree string     `json:"degree"`
		Order  string     `json:"order"`
		Steps  []stepBody `json:"steps"`
		Commit string     `json:"commit,omitempty"`
	}
	stepBody struct {
		Name     string   `json:"name"`
		Word     string   `json:"word"`
		Detail   string   `json:"detail,omitempty"`
		Policies []string `json:"policies"`
	}
	countersBody struct {
		Retrying  int `json:"retrying"`
		Postponed int `json:"postponed"`
		Overruns  int `json:"overruns"`
		Waiting   int `json:"waiting"`
	}
	troubleBody struct {
		Topic     string    `json:"topic"`
		Partition *int      `json:"partition"` // null: the whole topic
		Since     time.Time `json:"since"`
		Error     string    `json:"error"`
	}

	partitionsBody struct {
		Partitions []partitionBody `json:"partitions"`
	}
	partitionBody struct {
		Topic         string     `json:"topic"`
		Partition     int        `json:"partition"`
		Epoch         int32      `json:"epoch"`
		State         string     `json:"state"`
		Cause         string     `json:"cause"` // empty: it moves
		Why           string     `json:"why"`
		Since         *time.Time `json:"since"`
		Watermark     int64      `json:"watermark"`
		Committed     *int64     `json:"committed"`
		Next          int64      `json:"next"`
		End           *int64     `json:"end"`
		Lag           *int64     `json:"lag"`
		InFlight      int        `json:"inFlight"`
		FinishedAhead int64      `json:"finishedAhead"`
		Bytes         int64      `json:"bytes"`
		Totals        totalsBody `json:"totals"`
	}
	totalsBody struct {
		Delivered   int64 `json:"delivered"`
		Finished    int64 `json:"finished"`
		Uncommitted int64 `json:"uncommitted"`
		Bytes       int64 `json:"bytes"`
	}

	explanationBody struct {
		Topic         string      `json:"topic"`
		Partition     int         `json:"partition"`
		At            time.Time   `json:"at"`
		Cause         string      `json:"cause"`
		Also          []string    `json:"also"`
		Since         *time.Time  `json:"since"`
		Until         *time.Time  `json:"until"`
		Text          string      `json:"text"`
		Record        *recordBody `json:"record"`
		Step          string      `json:"step,omitempty"`
		Attempt       int         `json:"attempt,omitempty"`
		Error         string      `json:"error,omitempty"`
		Detail        string      `json:"detail,omitempty"`
		Stack         string      `json:"stack,omitempty"` // with a token
		State         string      `json:"state,omitempty"`
		Watermark     int64       `json:"watermark"`
		Committed     *int64      `json:"committed"`
		Next          int64       `json:"next"`
		End           *int64      `json:"end"`
		Behind        int         `json:"behind"`
		BehindKey     int         `json:"behindKey"`
		FinishedAhead int64       `json:"finishedAhead"`
		Room          roomBody    `json:"room"`
	}
	recordBody struct {
		Offset    int64      `json:"offset"`
		Key       string     `json:"key,omitempty"` // with a token
		Time      *time.Time `json:"time"`
		Delivered time.Time  `json:"delivered"`
	}
	roomBody struct {
		Records    int    `json:"records"`
		MaxRecords int    `json:"maxRecords"`
		Bytes      int64  `json:"bytes"`
		MaxBytes   int64  `json:"maxBytes"`
		Ahead      *int64 `json:"ahead"`
		State      *int64 `json:"state"`
	}

	haltsBody struct {
		Halts []haltBody `json:"halts"`
	}
	haltBody struct {
		ID        string     `json:"id"`
		Pipeline  string     `json:"pipeline"`
		Scope     string     `json:"scope"` // what has stopped: partition, lane or record
		Topic     string     `json:"topic"`
		Partition int        `json:"partition"`
		Epoch     int32      `json:"epoch"`
		Offset    int64      `json:"offset"`
		Last      int64      `json:"last"`
		Joined    bool       `json:"joined"`
		Restored  bool       `json:"restored"`
		By        string     `json:"by,omitempty"`  // who has paused it
		Key       string     `json:"key,omitempty"` // with a token
		Step      string     `json:"step"`
		Attempts  int        `json:"attempts"`
		Since     time.Time  `json:"since"`
		ResumeAt  *time.Time `json:"resumeAt"`
		Error     string     `json:"error"`
		Stack     string     `json:"stack,omitempty"` // of a panic; with a token
		Text      string     `json:"text"`
		Resume    string     `json:"resume"` // what Resume will do
		Skip      string     `json:"skip"`   // what Skip will do; empty: it is refused
		Choose    bool       `json:"choose"` // Skip needs from and to
	}
	previewBody struct {
		Text      string `json:"text"`
		Truncated bool   `json:"truncated"`
	}

	eventsBody struct {
		Events []eventBody `json:"events"`
		Next   int64       `json:"next"` // pass it as after
	}
	eventBody struct {
		Seq       int64     `json:"seq"`
		At        time.Time `json:"at"`
		Level     string    `json:"level"`
		Kind      string    `json:"kind"`
		Pipeline  string    `json:"pipeline,omitempty"`
		Topic     string    `json:"topic,omitempty"`
		Partition *int      `json:"partition,omitempty"`
		Offset    *int64    `json:"offset,omitempty"`
		Key       string    `json:"key,omitempty"` // with a token
		Step      string    `json:"step,omitempty"`
		Text      string    `json:"text"`
		Stack     string    `json:"stack,omitempty"` // of a panic; with a token
		By        string    `json:"by,omitempty"`    // who changed something
		From      string    `json:"from,omitempty"`  // and from where; with a token
	}

	doneBody struct {
		Done bool   `json:"done"` // false: it is under way
		Text string `json:"text"`
	}
)

// known is nil for the values that say "unknown" or "none".
func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
