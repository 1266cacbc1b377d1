package connection

// This file owns the cutting of a byte stream into request frames. Invariants:
//
//   - no memory is taken for a frame before its length, API key and version have been read and the gate has let it in;
//   - memory for a frame grows with what has arrived: the first piece is at most what this connection has sent before in one
//     frame (or 16 KiB), and each further piece at most four times what has arrived;
//   - one read takes as much as there is: the rest of a frame goes straight into it, and what follows into the small buffer, so that
//     many small requests cost one system call and a large one is copied only by its first bytes.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/troupe-io/troupe/protocol"
)

const (
	readBufferBytes  = 4 << 10
	firstPieceBytes  = 16 << 10
	trustedBytesMax  = 1 << 20
	frameGrowth      = 4
	frameHeadBytes   = 8 // API key, version, correlation id: no request is shorter
	frameLengthBytes = 4
)

// frameHead is what every request begins with.
type frameHead struct {
	size        int64 // of the frame, without its length field
	key         int16
	version     int16
	correlation int32
}

// source is a stream of bytes. read waits for at least one byte, fills p first and what is left over goes into extra.
type source interface {
	read(p, extra []byte) (n int, err error)
}

// gate gives memory to frames.
type gate interface {
	// admit checks a request before anything is taken for it, and waits until it may be read.
	admit(h frameHead) error
	// charge takes n bytes of the budget, waiting for them; refund gives them back.
	charge(n int64) error
	refund(n int64)
}

// errBadFrame marks what a client did wrong in framing.
var errBadFrame = errors.New("bad frame")

// framer cuts frames from a source. One goroutine owns it.
type framer struct {
	src   source
	gate  gate
	pool  *protocol.FramePool
	max   int64 // bytes of a frame
	trust int   // bytes to take for a frame before they have arrived

	buf  []byte // nil while it has nothing to read
	r, w int    // buf[r:w] is not yet consumed
}

// readBuffers are the small buffers of the connections that have a reader goroutine.
var readBuffers = sync.Pool{New: func() any { return new([readBufferBytes]byte) }}

func newFramer(src source, g gate, pool *protocol.FramePool, maxBytes int64) *framer {
	return &framer{src: src, gate: g, pool: pool, max: maxBytes, trust: firstPieceBytes}
}

// own gives the framer a buffer of its own, with what is left in the one it has.
func (f *framer) own() {
	b := readBuffers.Get().(*[readBufferBytes]byte)
	f.r, f.w = 0, copy(b[:], f.buf[f.r:f.w])
	f.buf = b[:]
}

// drain takes the framer's buffer away, and what is in it.
func (f *framer) drain() { f.buf, f.r, f.w = nil, 0, 0 }

// giveBack is drain for a buffer that own got.
func (f *framer) giveBack() {
	if f.buf != nil {
		readBuffers.Put((*[readBufferBytes]byte)(f.buf))
	}
	f.drain()
}

// peek reads the head of the next frame; whole says that all of the frame is buffered, and of a length that is allowed.
func (f *framer) peek() (h frameHead, whole bool) {
	b := f.buf[f.r:f.w]
	if len(b) < frameLengthBytes+frameHeadBytes {
		return h, false
	}
	h.size = int64(int32(binary.BigEndian.Uint32(b)))
	h.key = int16(binary.BigEndian.Uint16(b[frameLengthBytes:]))
	h.version = int16(binary.BigEndian.Uint16(b[frameLengthBytes+2:]))
	return h, h.size >= frameHeadBytes && h.size <= min(f.max, int64(len(b)-frameLengthBytes))
}

// fill reads until n <= len(buf) bytes are buffered. io.EOF only if there is none at all.
func (f *framer) fill(n int) error {
	if f.buf == nil {
		f.own()
	}
	if f.r > 0 && f.r+n > len(f.buf) {
		f.w = copy(f.buf, f.buf[f.r:f.w])
		f.r = 0
	}
	for f.w-f.r < n {
		if f.r == f.w {
			f.r, f.w = 0, 0
		}
		got, err := f.src.read(f.buf[f.w:], nil)
		f.w += got
		if err != nil && f.w-f.r < n {
			if errors.Is(err, io.EOF) && f.w > f.r {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// next returns the next frame (without its length field), which the caller owns; len(frame.Bytes) bytes of it are charged to the
// gate. io.EOF at the end of the stream between two frames, io.ErrUnexpectedEOF within one.
func (f *framer) next() (*protocol.Frame, frameHead, error) {
	var h frameHead
	if err := f.fill(frameLengthBytes); err != nil {
		return nil, h, err
	}
	h.size = int64(int32(binary.BigEndian.Uint32(f.buf[f.r:])))
	if h.size < frameHeadBytes || h.size > f.max {
		return nil, h, fmt.Errorf("%w: a request of %d bytes; %d to %d are allowed (socket.request.max.bytes)", errBadFrame, h.size, frameHeadBytes, f.max)
	}
	if err := f.fill(frameLengthBytes + frameHeadBytes); err != nil {
		return nil, h, notEOF(err)
	}
	b := f.buf[f.r+frameLengthBytes:]
	h.key = int16(binary.BigEndian.Uint16(b))
	h.version = int16(binary.BigEndian.Uint16(b[2:]))
	h.correlation = int32(binary.BigEndian.Uint32(b[4:]))
	if err := f.gate.admit(h); err != nil {
		return nil, h, err
	}
	f.r += frameLengthBytes
	frame, err := f.body(int(h.size))
	return frame, h, err
}

func (f *framer) body(size int) (*protocol.Frame, error) {
	piece := min(size, f.trust)
	if err := f.gate.charge(int64(piece)); err != nil {
		return nil, err
	}
	frame := f.pool.Get(piece)
	for got := 0; ; {
		n := copy(frame.Bytes[got:], f.buf[f.r:f.w])
		got, f.r = got+n, f.r+n
		if got == size {
			f.trust = min(max(f.trust, size), trustedBytesMax)
			return frame, nil
		}
		if got == piece {
			bigger := min(size, piece*frameGrowth)
			if err := f.gate.charge(int64(bigger)); err != nil {
				f.drop(frame)
				return nil, err
			}
			grown := f.pool.Get(bigger)
			copy(grown.Bytes, frame.Bytes)
			f.drop(frame)
			frame, piece = grown, bigger
			continue
		}
		// The buffer is empty: the rest of this piece, and whatever follows it.
		f.r, f.w = 0, 0
		rest := frame.Bytes[got:]
		n, err := f.src.read(rest, f.buf)
		if n > len(rest) {
			f.w = n - len(rest)
			n = len(rest)
		}
		got += n
		if err != nil && got < size {
			f.drop(frame)
			return nil, notEOF(err)
		}
	}
}

func (f *framer) drop(frame *protocol.Frame) {
	n := int64(len(frame.Bytes))
	frame.Release()
	f.gate.refund(n)
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
