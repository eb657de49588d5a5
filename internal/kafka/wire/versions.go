package wire

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// tested is the newest version of each request that was run against real brokers. kmsg encodes
// newer versions, some of which need other fields, so a new broker must not get them automatically.
var tested = map[kmsg.Key]int16{
	kmsg.Produce:                13,
	kmsg.Fetch:                  17,
	kmsg.ListOffsets:            7,
	kmsg.Metadata:               12,
	kmsg.OffsetCommit:           10,
	kmsg.OffsetFetch:            10,
	kmsg.FindCoordinator:        3,
	kmsg.JoinGroup:              9,
	kmsg.Heartbeat:              4,
	kmsg.LeaveGroup:             5,
	kmsg.SyncGroup:              5,
	kmsg.ApiVersions:            4,
	kmsg.InitProducerID:         5,
	kmsg.AddPartitionsToTxn:     3,
	kmsg.AddOffsetsToTxn:        4,
	kmsg.EndTxn:                 5,
	kmsg.TxnOffsetCommit:        6,
	kmsg.OffsetForLeaderEpoch:   4,
	kmsg.ConsumerGroupHeartbeat: 1,
	kmsg.DescribeConfigs:        4,
	kmsg.DescribeGroups:         5,
	kmsg.ConsumerGroupDescribe:  0,
}

// oldest is the first version of each request with the meaning needed here: record batches (fetch,
// produce), times (list offsets), no automatic creation of topics (metadata), a new producer epoch
// after an error (KIP-360), group fencing (KIP-447).
var oldest = map[kmsg.Key]int16{
	kmsg.Produce:         3,
	kmsg.InitProducerID:  3,
	kmsg.TxnOffsetCommit: 3,
	kmsg.Fetch:           4,
	kmsg.ListOffsets:     2,
	kmsg.Metadata:        4,
}

// byNameOnly is the last Fetch version with topic names; later ones use ids alone.
const byNameOnly = 12

// span is the range of versions supported by a broker.
type span struct{ min, max int16 }

// pick sets the newest version of req that both sides support.
func pick(req kmsg.Request, addr string, theirs map[int16]span, limit int16) error {
	key := kmsg.Key(req.Key())
	ours := min(req.MaxVersion(), limit)
	if t, ok := tested[key]; ok {
		ours = min(ours, t)
	}
	s, ok := theirs[req.Key()]
	if !ok {
		return &UnsupportedError{Addr: addr, Request: named(req), Min: -1, Max: -1, Ours: ours}
	}
	v := min(ours, s.max)
	if v < s.min || v < oldest[key] {
		return &UnsupportedError{Addr: addr, Request: named(req), Min: s.min, Max: s.max, Ours: ours}
	}
	req.SetVersion(v)
	return nil
}
