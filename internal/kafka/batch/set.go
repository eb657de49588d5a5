package batch

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Aborted names an aborted transaction: the producer's records from FirstOffset up to its abort
// marker are left out.
type Aborted = kmsg.FetchResponseTopicPartitionAbortedTransaction

// Fetched is one partition's part of a fetch response.
type Fetched struct {
	Topic     string
	Partition int
	// the offset asked for; a batch may begin with records below it, which are left out
	From      int64
	HighWater int64
	Records   []byte
	Committed bool // read_committed: leave out aborted records
	Aborted   []Aborted
	Alloc     func(n int) []kafka.Message // returns room for n messages, empty and zero; optional
}

func (f *Fetched) alloc(n int) []kafka.Message {
	if f.Alloc == nil {
		return make([]kafka.Message, 0, n)
	}
	return f.Alloc(n)
}

// Set returns the records of a Fetched. It is for one goroutine at a time.
type Set struct {
	d       *Decoder
	f       Fetched
	rest    []byte // batches not yet opened
	next    int64  // offset after the last record returned or left out
	epoch   int32  // see Epoch
	whole   int    // see Whole
	err     error  // kept until the records before it are returned
	pending []Aborted
	aborted map[int64]struct{} // producers in an aborted transaction

	h        header
	recs     []byte // records of the open batch not yet returned
	left     int32  // their number
	delta    int64  // of the last record seen; offsets must ascend
	borrowed *[]byte
}

// Open starts to decode f. The Records of f must not change until Keep or Close is called, or More
// returns false.
func (d *Decoder) Open(f Fetched) *Set {
	s := &Set{d: d, f: f, rest: f.Records, next: f.From, epoch: -1}
	if f.Committed && len(f.Aborted) > 0 {
		s.pending = slices.Clone(f.Aborted)
		slices.SortFunc(s.pending, func(a, b Aborted) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	}
	return s
}

// Next returns the offset to fetch from after everything up to now.
func (s *Set) Next() int64 { return s.next }

// Epoch returns the epoch of the leader that took the newest record returned; -1 before the first.
func (s *Set) Epoch() int32 { return s.epoch }

// Skip leaves out the records below an offset.
func (s *Set) Skip(to int64) {
	s.next = max(s.next, to)
	if s.left > 0 && s.h.last() < s.next {
		s.closeBatch()
	}
}

// More reports whether another Take may return records or an error.
func (s *Set) More() bool { return s.err != nil || s.left > 0 || len(s.rest) > 0 }

// Whole returns the number of bytes that a fetch must allow to get a whole batch: the size of the
// largest one so far, or of the first one that did not fit. It returns 0 without any batch.
func (s *Set) Whole() int { return s.whole }

// Keep copies the rest, so that Records can be reused.
func (s *Set) Keep() {
	s.rest = bytes.Clone(s.rest)
	if s.borrowed == nil {
		s.recs = bytes.Clone(s.recs)
	}
	s.f.Records = nil
}

// Close drops the rest.
func (s *Set) Close() {
	s.rest, s.left, s.err = nil, 0, nil
	s.closeBatch()
}

func (s *Set) closeBatch() {
	s.d.giveBack(s.borrowed)
	s.borrowed, s.recs, s.left = nil, nil, 0
}

// Take returns up to n records, which belong to the caller forever, and the number of bytes that
// they keep in memory. No records and no error mean the end. After a *kafkaerr.BatchError there are
// no more records, and the caller decides where the next fetch starts.
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

// fail keeps err until the records before it have been returned.
func (s *Set) fail(err error) {
	s.err = err
	s.rest = nil
	s.closeBatch()
}

// open opens the next batch with wanted records. It returns false at the end.
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

// cut takes the next whole batch off the rest. It returns nil if only a part of one is left, which
// is how a response normally ends.
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
		return 2 // too short for any format; the next check reports it
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

// leftOut reports whether the batch has nothing for a reader: only markers, or records of an
// aborted transaction.
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
