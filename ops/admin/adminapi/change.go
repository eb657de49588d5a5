package adminapi

// Resume tries the record of a halt again, or ends a pause.
type Resume struct {
	Halt string `json:"halt"` // its id, as the caller saw it
}

// Skip gives up the record of a halt. From and To go together: the first and the last offset to
// skip, for a halt that covers several records.
type Skip struct {
	Halt string `json:"halt"`
	From *int64 `json:"from,omitempty"`
	To   *int64 `json:"to,omitempty"`
}

// Pause stops the reading of a partition, in the epoch that the caller saw.
type Pause struct {
	Source    string `json:"source,omitempty"`
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Epoch     *int32 `json:"epoch"`
}

// Drain drains all pipelines of a process and ends it.
type Drain struct {
	Instance string `json:"instance"`
}
