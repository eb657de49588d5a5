package batch

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/segmentio/kafka-go"
)

// compressors belong to an Encoder, and use their default levels.
type compressors struct {
	gzips, lz4s, zstds, scratch *sync.Pool
}

func newCompressors() compressors {
	return compressors{
		gzips: &sync.Pool{New: func() any { return gzip.NewWriter(nil) }},
		lz4s:  &sync.Pool{New: func() any { return lz4.NewWriter(nil) }},
		zstds: &sync.Pool{New: func() any {
			// Concurrency 1 starts no goroutine. These options cannot fail.
			z, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithZeroFrames(true))
			return z
		}},
		scratch: &sync.Pool{New: func() any { return new([]byte) }},
	}
}

func (c *compressors) borrow() *[]byte { return c.scratch.Get().(*[]byte) }

func (c *compressors) giveBack(b *[]byte) {
	if cap(*b) <= keep {
		c.scratch.Put(b)
	}
}

// compress appends src to dst.
func (c *compressors) compress(dst []byte, codec kafka.Compression, src []byte) ([]byte, error) {
	switch codec {
	case kafka.Gzip:
		z := c.gzips.Get().(compressor)
		defer c.gzips.Put(z)
		return writeAll(dst, src, z)
	case kafka.Snappy:
		at, n := len(dst), snappy.MaxEncodedLen(len(src))
		if n < 0 {
			return nil, fmt.Errorf("snappy cannot compress %d bytes at once", len(src))
		}
		dst = append(dst, make([]byte, n)...)
		return dst[:at+len(snappy.Encode(dst[at:], src))], nil
	case kafka.Lz4:
		z := c.lz4s.Get().(compressor)
		defer c.lz4s.Put(z)
		return writeAll(dst, src, z)
	case kafka.Zstd:
		z := c.zstds.Get().(*zstd.Encoder)
		defer c.zstds.Put(z)
		return z.EncodeAll(src, dst), nil
	}
	return nil, fmt.Errorf("compression codec %d is unknown", codec)
}

type compressor interface {
	io.WriteCloser
	Reset(io.Writer)
}

func writeAll(dst, src []byte, z compressor) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	z.Reset(out)
	if _, err := z.Write(src); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
