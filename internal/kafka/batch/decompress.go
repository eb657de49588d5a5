package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Decoder opens Sets. It reuses decompressors and their buffers, and is safe for concurrent use.
type Decoder struct {
	limit   int
	gzips   sync.Pool
	lz4s    sync.Pool
	zstds   sync.Pool
	wide    sync.Pool // zstd for frames with a window above limit
	scratch sync.Pool
}

// DefaultLimit is the default maximum size of a decompressed batch.
const DefaultLimit = 64 << 20

// keep is the largest buffer kept for reuse.
const keep = 4 << 20

// NewDecoder returns a Decoder that refuses batches that decompress to more than limit bytes. A
// limit of 0 is DefaultLimit.
func NewDecoder(limit int) *Decoder {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Decoder{
		limit: limit,
		gzips: sync.Pool{New: func() any { return new(gzip.Reader) }},
		lz4s:  sync.Pool{New: func() any { return lz4.NewReader(nil) }},
		zstds: sync.Pool{New: func() any {
			// Concurrency 1 starts no goroutine. These options cannot fail.
			z, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(limit)), zstd.WithDecoderLowmem(true))
			return z
		}},
		wide: sync.Pool{New: func() any {
			z, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(widest), zstd.WithDecoderMaxMemory(widest),
				zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true))
			return z
		}},
		scratch: sync.Pool{New: func() any { return new([]byte) }},
	}
}

func (d *Decoder) borrow() *[]byte { return d.scratch.Get().(*[]byte) }

func (d *Decoder) giveBack(b *[]byte) {
	if b != nil && cap(*b) <= keep {
		d.scratch.Put(b)
	}
}

// decompress replaces the contents of dst.
func (d *Decoder) decompress(dst *[]byte, codec int, src []byte) error {
	var name string
	var err error
	switch codec {
	case 1:
		name, err = "gzip", d.gunzip(dst, src)
	case 2:
		name, err = "snappy", d.unsnappy(dst, src)
	case 3:
		name, err = "lz4", d.unlz4(dst, src)
	case 4:
		name, err = "zstd", d.unzstd(dst, src)
	default:
		return malformed("compression codec %d is unknown", codec)
	}
	var large *TooLargeError
	if err != nil && !errors.As(err, &large) {
		return &CompressionError{name, err}
	}
	return err
}

func (d *Decoder) gunzip(dst *[]byte, src []byte) error {
	z := d.gzips.Get().(*gzip.Reader)
	defer d.gzips.Put(z)
	if err := z.Reset(bytes.NewReader(src)); err != nil {
		return err
	}
	return d.drain(dst, z)
}

func (d *Decoder) unlz4(dst *[]byte, src []byte) error {
	z := d.lz4s.Get().(*lz4.Reader)
	defer d.lz4s.Put(z)
	z.Reset(bytes.NewReader(src))
	return d.drain(dst, z)
}

// drain reads r to its end, or one byte past the limit.
func (d *Decoder) drain(dst *[]byte, r io.Reader) error {
	b := bytes.NewBuffer((*dst)[:0])
	_, err := b.ReadFrom(io.LimitReader(r, int64(d.limit)+1))
	*dst = b.Bytes()
	if err == nil && b.Len() > d.limit {
		err = &TooLargeError{d.limit}
	}
	return err
}

func (d *Decoder) unzstd(dst *[]byte, src []byte) error {
	z := d.zstds.Get().(*zstd.Decoder)
	defer d.zstds.Put(z)
	out, err := z.DecodeAll(src, (*dst)[:0])
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return d.unzstdWide(dst, src)
	}
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || len(out) > d.limit {
		return &TooLargeError{d.limit}
	}
	if err == nil {
		*dst = out
	}
	return err
}

// widest is the largest window that a zstd frame can name (RFC 8878, 3.1.1.1.2).
const widest = 1<<41 + 7<<38

// blocks is room for two blocks of a zstd frame, 128 KiB each. While less than one of them is used,
// a block always fits.
const blocks = 256 << 10

// unzstdWide decompresses frames with a window above the limit. A streaming compressor names the
// window of its level, however little it compresses, so the window says nothing about the size.
// DecodeAll keeps no window beside its output, and the output is bounded by its capacity, which
// grows up to the limit.
func (d *Decoder) unzstdWide(dst *[]byte, src []byte) error {
	z := d.wide.Get().(*zstd.Decoder)
	defer d.wide.Put(z)
	for size := max(cap(*dst), 4*len(src)); ; size *= 4 {
		size = min(size, d.limit)
		if cap(*dst) < size+blocks {
			*dst = make([]byte, 0, size+blocks)
		}
		out, err := z.DecodeAll(src, (*dst)[:0:size+blocks])
		// in this case err may be anything
		full := len(out) > size || errors.Is(err, zstd.ErrDecoderSizeExceeded)
		switch {
		case len(out) > d.limit, full && size == d.limit:
			return &TooLargeError{d.limit}
		case err == nil:
			*dst = out
			return nil
		case !full:
			return err
		}
	}
}

// xerial is the header of the Java client's snappy framing. Other clients send plain blocks.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeader = 16

func (d *Decoder) unsnappy(dst *[]byte, src []byte) error {
	*dst = (*dst)[:0]
	if len(src) < xerialHeader || !bytes.Equal(src[:len(xerial)], xerial) {
		return d.snappyBlock(dst, src)
	}
	for src = src[xerialHeader:]; len(src) > 0; {
		if len(src) < 4 {
			return malformed("xerial framing ends inside a length")
		}
		n := binary.BigEndian.Uint32(src)
		src = src[4:]
		if uint64(n) > uint64(len(src)) {
			return malformed("a xerial block of %d bytes, %d are there", n, len(src))
		}
		if err := d.snappyBlock(dst, src[:n]); err != nil {
			return err
		}
		src = src[n:]
	}
	return nil
}

// snappyBlock appends one block. The block starts with its decoded length. Three bytes of snappy
// decode to at most 64, so a larger length is false and not allocated.
func (d *Decoder) snappyBlock(dst *[]byte, src []byte) error {
	n, err := snappy.DecodedLen(src)
	switch {
	case err != nil:
		return err
	case len(*dst)+n > d.limit:
		return &TooLargeError{d.limit}
	case n > 22*len(src)+64:
		return malformed("%d bytes of snappy claim to be %d", len(src), n)
	}
	at := len(*dst)
	if cap(*dst)-at < n {
		grown := make([]byte, at, max(at+n, 2*cap(*dst)))
		copy(grown, *dst)
		*dst = grown
	}
	out, err := snappy.Decode((*dst)[at:at+n], src)
	if err == nil {
		*dst = (*dst)[:at+len(out)]
	}
	return err
}
