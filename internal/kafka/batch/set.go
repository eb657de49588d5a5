package batch

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Aborted is a transaction that was aborted: the producer's records from FirstOffset up to its
// abort marker do not count.
type Aborted = kmsg.FetchResponseTopicPartitionAbortedTransaction

// Fetched is a partition's part of a fetch answer.
type Fetched struct {
	Topic     string
	Partition int
	// the offset asked for; records below it, which a batch may begin with, are left out
	From      int64
	HighWater int64
	Records   []byte
	Committed bool // read_committed: leave out the records of Aborted
	Aborted   []Aborted
	Alloc     func(n int) []kafka.Message // room for n messages, empty and zero; nil: made anew
}

func (f *Fetched) alloc(n int) []kafka.Message {
	if f.Alloc == nil {
		return make([]kafka.Message, 0, n)
	}
	return f.Alloc(n)
}

// Set hands out the records of a Fetched. It is used by one goroutine at a time.
type Set struct {
	d       *Decoder
	f       Fetched
	rest    []byte // batches not yet opened
	next    int64  // offset behind what was handed out or left out
	epoch   int32  // see Epoch
	whole   int    // see Whole
	err     error  // found while there were records to hand out first
	pending []Aborted
	aborted map[int64]struct{} // producers inside an aborted transaction

	h        header
	recs     []byte // records of the open batch not yet handed out
	left     int32  // how many
	delta    int64  // of the last record seen; offsets must ascend
	borrowed *[]byte
}

// Open begins to read f. Its Records must stay as they are until Keep or Close is called, or More
// is false.
func (d *Decoder) Open(f Fetched) *Set {
	s := &Set{d: d, f: f, rest: f.Records, next: f.From, epoch: -1}
	if f.Committed && len(f.Aborted) > 0 {
		s.pending = slices.Clone(f.Aborted)
		slices.SortFunc(s.pending, func(a, b Aborted) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	}
	return s
}

// Next is the offset to go on from once what Take has handed out is all there is.
func (s *Set) Next() int64 { return s.next }

// Epoch is that of the leader that took the newest record handed out; -1 before the first.
func (s *Set) Epoch() int32 { return s.epoch }

// Skip leaves out the records below an offset.
func (s *Set) Skip(to int64) {
	s.next = max(s.next, to)
	if s.left > 0 && s.h.last() < s.next {
		s.closeBatch()
	}
}

// More reports whether another Take may hand out something, or fail.
func (s *Set) More() bool { return s.err != nil || s.left > 0 || len(s.rest) > 0 }

// Whole is the number of bytes that a fetch has to allow for a batch to come whole: as many as the
// largest one so far took, or as the first would take that did not; 0 where there was none.
func (s *Set) Whole() int { return s.whole }

// Keep copies what is left, so that Records can be used again.
func (s *Set) Keep() {
	s.rest = bytes.Clone(s.rest)
	if s.borrowed == nil {
		s.recs = bytes.Clone(s.recs)
	}
	s.f.Records = nil
}

// Close lets go of what is left.
func (s *Set) Close() {
	s.rest, s.left, s.err = nil, 0, nil
	s.closeBatch()
}

func (s *Set) closeBatch() {
	s.d.giveBack(s.borrowed)
	s.borrowed, s.recs, s.left = nil, nil, 0
}

// Take hands out up to n records, which are the caller's for ever, and the number of bytes that
// they keep in memory. None and no error means that there are no more. After an
// *kafkaerr.BatchError there are none either: the position of the next fetch is the caller's
// decision.
func (s *Set) Take(n int) (msgs []kafka.Message, size int64, err error) {
	out := taking{set: s, want: n}
	for len(out.msgs) < n && s.err == nil {
		if s.left == 0 {
			more, err := s.open()
			if err != nil {
				s.fail(err)
				break
			}
			if !more {
				break
			}
			continue
		}
		if err := out.some(); err != nil {
			s.fail(err)
			break
		}
		if s.left == 0 {
			s.next = max(s.next, s.h.next())
			s.closeBatch()
		}
	}
	if len(out.msgs) == 0 && s.err != nil {
		err, s.err = s.err, nil
		s.Close()
		return nil, 0, err
	}
	return out.msgs, out.size, nil
}

// fail notes err, to be told once the records before it are handed out.
func (s *Set) fail(err error) {
	s.err = err
	s.rest = nil
	s.closeBatch()
}

// open opens the next batch that has records for us. It is false at the end.
func (s *Set) open() (bool, error) {
	for len(s.rest) > 0 {
		b, err := s.cut()
		if err != nil || b == nil {
			return false, err
		}
		s.h = parse(b)
		if err := s.h.sane(); err != nil {
			return false, s.bad(b, err)
		}
		if !checksum(b) {
			return false, s.bad(b, ErrChecksum)
		}
		skip := s.h.last() < s.next || s.h.count == 0
		if gone, err := s.leftOut(b); err != nil || gone || skip {
			if err != nil {
				return false, s.bad(b, err)
			}
			s.next = max(s.next, s.h.next())
			continue
		}
		if err := s.unpack(b[headerSize:]); err != nil {
			return false, s.bad(b, err)
		}
		return true, nil
	}
	return false, nil
}

// cut takes the next whole batch off the rest; nil where only a part of one is left, which is how
// answers normally end.
func (s *Set) cut() ([]byte, error) {
	first := len(s.rest) == len(s.f.Records)
	if len(s.rest) < prefixSize {
		s.rest = nil
		return nil, nil
	}
	base := int64(binary.BigEndian.Uint64(s.rest))
	length := int64(int32(binary.BigEndian.Uint32(s.rest[8:])))
	if length < 0 || base < 0 {
		err := s.at(base, base+1, malformed("a batch of %d bytes at offset %d", length, base))
		s.rest = nil
		return nil, err
	}
	if length+prefixSize > int64(len(s.rest)) {
		if first {
			s.whole = int(length + prefixSize)
		}
		s.rest = nil
		return nil, nil
	}
	b := s.rest[:length+prefixSize]
	if magic := magicOf(b); magic != 2 {
		err := s.at(base, base+1, &FormatError{magic})
		s.rest = nil
		return nil, err
	}
	if len(b) < headerSize {
		err := s.at(base, base+1, malformed("a batch of %d bytes", len(b)))
		s.rest = nil
		return nil, err
	}
	s.rest = s.rest[len(b):]
	s.whole = max(s.whole, len(b))
	return b, nil
}

func magicOf(b []byte) int8 {
	if len(b) <= magicAt {
		return 2 // too short for any format; said by the next check
	}
	return int8(b[magicAt])
}

func (s *Set) unpack(recs []byte) error {
	s.recs, s.delta = recs, -1
	if codec := s.h.codec(); codec != 0 {
		s.borrowed = s.d.borrow()
		if err := s.d.decompress(s.borrowed, codec, recs); err != nil {
			return err
		}
		s.recs = *s.borrowed
	}
	if int64(s.h.count)*minRecord > int64(len(s.recs)) {
		return malformed("%d records in %d bytes", s.h.count, len(s.recs))
	}
	s.left = s.h.count
	return nil
}

// leftOut reports whether the batch holds nothing for a reader: markers, or records of an aborted
// transaction.
func (s *Set) leftOut(b []byte) (bool, error) {
	for len(s.pending) > 0 && s.pending[0].FirstOffset <= s.h.last() {
		if s.aborted == nil {
			s.aborted = map[int64]struct{}{}
		}
		s.aborted[s.pending[0].ProducerID] = struct{}{}
		s.pending = s.pending[1:]
	}
	if s.h.control() {
		if len(s.aborted) > 0 && abortMarker(b[headerSize:]) {
			delete(s.aborted, s.h.producer)
		}
		return true, nil
	}
	_, aborted := s.aborted[s.h.producer]
	return aborted && s.h.transactional(), nil
}
