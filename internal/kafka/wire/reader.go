package wire

import (
	"encoding/binary"
	"io"
)

// reader reads the tags of a response header.
type reader struct {
	b   []byte
	err error
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.err = nil, io.ErrUnexpectedEOF
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) skip(n uint64) {
	if n > uint64(len(r.b)) {
		r.b, r.err = nil, io.ErrUnexpectedEOF
		return
	}
	r.b = r.b[n:]
}
