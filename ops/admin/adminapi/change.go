package adminapi

import "time"

// Resume tries the record of a halt again, or ends a pause.
type Resume struct {
	Halt string `json:"halt"` // its id, as the caller saw it
}

// HaltsMost is how many halts a ResumeMany may have.
const HaltsMost = 1000

// ResumeMany is Resume for several halts of a pipeline at once. Each is resumed, or refused, by
// itself.
type ResumeMany struct {
	Halts []string `json:"halts"` // their ids, as the caller saw them: from 1 to HaltsMost
}

// Skip gives up the record of a halt. From and To go together: the first and the last offset to
// skip, for a halt that covers several records.
type Skip struct {
	Halt string `json:"halt"`
	From *int64 `json:"from,omitempty"`
	To   *int64 `json:"to,omitempty"`
}

// Seen is a partition in the epoch that the caller saw.
type Seen struct {
	Source    string `json:"source,omitempty"`
	Topic     string `json:"topic"`
	Partition *int   `json:"partition"`
	Epoch     *int32 `json:"epoch"`
}

// Hold is where an operator stops something, and for how long.
type Hold struct {
	Seen
	Until *time.Time `json:"until,omitempty"` // nil: until Resume
}

// Pause stops the reading of a partition.
type Pause struct{ Hold }

// PartitionsMost is how many partitions a PauseAll may have.
const PartitionsMost = 10_000

// PauseAll stops the reading of a pipeline. Each partition is paused, or refused, by itself.
type PauseAll struct {
	Partitions []Seen     `json:"partitions"`      // all that the caller saw, but those that are paused: from 1 to PartitionsMost
	Until      *time.Time `json:"until,omitempty"` // nil: until Resume
}

// Park stops one key of a partition. Of Key and KeyBase64 one is set.
type Park struct {
	Hold
	Key       string `json:"key,omitempty"`
	KeyBase64 string `json:"keyBase64,omitempty"` // of a key that is no text
}

// SetDegree changes how many elements a step works on at a time, until restart.
type SetDegree struct {
	Step   string `json:"step"`
	Seen   *int32 `json:"seen"` // as the caller saw it
	Degree *int32 `json:"degree"`
}

// SetRate changes how many elements pass a Throttle in a second, or how many records the pipeline
// starts if Step is empty, until restart. 0 is no limit.
type SetRate struct {
	Step      string   `json:"step,omitempty"`
	Seen      *float64 `json:"seen"` // as the caller saw it
	PerSecond *float64 `json:"perSecond"`
}

// Drain drains all pipelines of a process and ends it.
type Drain struct {
	Instance string `json:"instance"`
}
