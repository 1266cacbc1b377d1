package protocol

// This file owns compression and decompression of record payloads. Invariants:
//
//   - decompression never yields more than its limit, and the memory it takes grows with what was really decompressed
//     (or, for snappy and zstd, with what its input can hold at most), never with what a header claims;
//   - at most GOMAXPROCS payloads of more than decompressLargeBytes are being decompressed for validation at a time.
//
// Formats: gzip members; snappy as one raw block (librdkafka) or in the Java SnappyOutputStream's framing ("xerial":
// 16 bytes of header, then blocks behind their length, big endian); LZ4 frames with independent blocks; zstd frames.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// ErrDecompressedTooLarge says that a payload decompresses to more than the limit.
var ErrDecompressedTooLarge = errors.New("decompressed payload exceeds the limit")

const (
	// zstdWindowMax is the largest window of a zstd frame that is accepted, bytes: what zstd's level 22 uses.
	zstdWindowMax    = 128 << 20
	zstdBlockBytes   = 128 << 10 // the largest block, decompressed
	snappyBlockBytes = 32 << 10  // the Java stream's block size
	// snappyRatioMax bounds a snappy block's expansion: no element yields more than 64 bytes for 3.
	snappyRatioMax = 22
)

// xerialHeader is magic, version 1, compatible version 1.
var xerialHeader = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}

var (
	gzipReaders sync.Pool // *gzip.Reader
	lz4Readers  sync.Pool // *lz4.Reader
	gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}
	lz4Writers  = sync.Pool{New: func() any {
		w := lz4.NewWriter(nil)
		// 64 KiB blocks without checksums, as the Java client writes them.
		if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)); err != nil {
			panic(err)
		}
		return w
	}}
	zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true),
			zstd.WithDecoderMaxWindow(zstdWindowMax), zstd.WithDecoderLowmem(true))
		if err != nil {
			panic(err)
		}
		return d
	})
	zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err)
		}
		return e
	})
)

// Decompress decompresses src into dst[:0], which grows as needed, and returns it. More than limit bytes is
// ErrDecompressedTooLarge; any other error means that src is not of the named codec. CodecNone copies.
func Decompress(dst []byte, codec Codec, src []byte, limit int) ([]byte, error) {
	s := scratch{buf: dst[:0]}
	err := s.decompress(codec, src, limit)
	return s.buf, err
}

// decompress fills s.buf with the decompressed src.
func (s *scratch) decompress(codec Codec, src []byte, limit int) error {
	s.buf = s.buf[:0]
	switch codec {
	case CodecNone:
		if len(src) > limit {
			return ErrDecompressedTooLarge
		}
		s.buf = append(s.buf, src...)
		return nil
	case CodecGzip:
		var in bytes.Reader
		in.Reset(src)
		r, _ := gzipReaders.Get().(*gzip.Reader)
		if r == nil {
			r = new(gzip.Reader)
		}
		defer gzipReaders.Put(r)
		if err := r.Reset(&in); err != nil {
			return fmt.Errorf("gzip: %w", err)
		}
		if err := s.readAll(r, limit); err != nil {
			return fmt.Errorf("gzip: %w", err)
		}
		return nil
	case CodecSnappy:
		if err := s.snappy(src, limit); err != nil {
			return fmt.Errorf("snappy: %w", err)
		}
		return nil
	case CodecLZ4:
		if err := s.lz4(src, limit); err != nil {
			return fmt.Errorf("lz4: %w", err)
		}
		return nil
	case CodecZstd:
		if err := s.zstd(src, limit); err != nil {
			return fmt.Errorf("zstd: %w", err)
		}
		return nil
	}
	return fmt.Errorf("compression codec %d does not exist", codec)
}

func (s *scratch) readAll(r io.Reader, limit int) error {
	for {
		if len(s.buf) == cap(s.buf) {
			if len(s.buf) > limit {
				return ErrDecompressedTooLarge
			}
			s.grow(min(max(2*cap(s.buf), 4096), limit+1))
		}
		n, err := r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if err == io.EOF {
			if len(s.buf) > limit {
				return ErrDecompressedTooLarge
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *scratch) snappy(src []byte, limit int) error {
	if len(src) < len(xerialHeader) || !bytes.Equal(src[:8], xerialHeader[:8]) {
		return s.snappyBlock(src, limit)
	}
	for src = src[len(xerialHeader):]; len(src) > 0; {
		if len(src) < 4 {
			return io.ErrUnexpectedEOF
		}
		size := binary.BigEndian.Uint32(src)
		if src = src[4:]; uint64(size) > uint64(len(src)) {
			return io.ErrUnexpectedEOF
		}
		if err := s.snappyBlock(src[:size], limit); err != nil {
			return err
		}
		src = src[size:]
	}
	return nil
}

func (s *scratch) snappyBlock(src []byte, limit int) error {
	n, err := snappy.DecodedLen(src)
	if err != nil {
		return err
	}
	if n > snappyRatioMax*len(src) {
		return snappy.ErrCorrupt
	}
	if n > limit-len(s.buf) {
		return ErrDecompressedTooLarge
	}
	have := len(s.buf)
	if cap(s.buf)-have < n {
		s.grow(max(have+n, min(2*cap(s.buf), limit)))
	}
	if _, err := snappy.Decode(s.buf[have:have+n:have+n], src); err != nil {
		return err
	}
	s.buf = s.buf[:have+n]
	return nil
}

func (s *scratch) lz4(src []byte, limit int) error {
	const independentBlocks = 0x20
	if len(src) < 7 || binary.LittleEndian.Uint32(src) != 0x184D2204 {
		return errors.New("not an LZ4 frame")
	}
	if src[4]&independentBlocks == 0 {
		return errors.New("blocks that depend on each other cannot be read by every Kafka client")
	}
	var in bytes.Reader
	in.Reset(src)
	r, _ := lz4Readers.Get().(*lz4.Reader)
	if r == nil {
		r = lz4.NewReader(nil)
	}
	defer lz4Readers.Put(r)
	r.Reset(&in)
	return s.readAll(r, limit)
}

// zstdNeedsRoom says that the destination was too small. A block that runs into its end in the middle is reported by the library
// with an error of another kind, which has no name.
func zstdNeedsRoom(err error) bool {
	return errors.Is(err, zstd.ErrDecoderSizeExceeded) || strings.HasPrefix(err.Error(), "output bigger than max block size")
}

func (s *scratch) zstd(src []byte, limit int) error {
	// A block takes at least 4 bytes and yields at most zstdBlockBytes.
	possible := min(limit, (len(src)/4+1)*zstdBlockBytes)
	for size := min(max(cap(s.buf), 4*len(src), 4096), possible); ; size = min(4*size, possible) {
		if cap(s.buf) < size {
			s.grow(size)
		}
		out, err := zstdDecoder().DecodeAll(src, s.buf[:0:min(cap(s.buf), limit)])
		if err == nil {
			s.buf = out
			return nil
		}
		if !zstdNeedsRoom(err) {
			return err
		}
		if size >= limit {
			return ErrDecompressedTooLarge
		}
		if size >= possible {
			return err
		}
	}
}

// Compress appends src, compressed, to dst. CodecNone copies.
func Compress(dst []byte, codec Codec, src []byte) ([]byte, error) {
	switch codec {
	case CodecNone:
		return append(dst, src...), nil
	case CodecGzip:
		w := gzipWriters.Get().(*gzip.Writer)
		defer gzipWriters.Put(w)
		out := appendWriter{dst}
		w.Reset(&out)
		_, err := w.Write(src)
		if err == nil {
			err = w.Close()
		}
		return out.b, err
	case CodecSnappy:
		dst = append(dst, xerialHeader...)
		for len(src) > 0 {
			n := min(len(src), snappyBlockBytes)
			at := len(dst)
			dst = append(dst, make([]byte, 4+snappy.MaxEncodedLen(n))...)
			block := snappy.Encode(dst[at+4:], src[:n])
			binary.BigEndian.PutUint32(dst[at:], uint32(len(block)))
			dst, src = dst[:at+4+len(block)], src[n:]
		}
		return dst, nil
	case CodecLZ4:
		w := lz4Writers.Get().(*lz4.Writer)
		defer lz4Writers.Put(w)
		out := appendWriter{dst}
		w.Reset(&out)
		_, err := w.Write(src)
		if err == nil {
			err = w.Close()
		}
		return out.b, err
	case CodecZstd:
		return zstdEncoder().EncodeAll(src, dst), nil
	}
	return dst, fmt.Errorf("compression codec %d does not exist", codec)
}

// appendWriter is an io.Writer that appends.
type appendWriter struct{ b []byte }

func (w *appendWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}
