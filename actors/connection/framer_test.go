package connection

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/troupe-io/troupe/protocol"
)

// script is a source that gives its bytes in pieces of given sizes.
type script struct {
	b      []byte
	pieces []byte // how many bytes each read gives at most, in turn; 0 counts as 256
	turn   int
}

func (s *script) read(p, extra []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	limit := len(p) + len(extra)
	if len(s.pieces) > 0 {
		piece := int(s.pieces[s.turn%len(s.pieces)])
		s.turn++
		if piece == 0 {
			piece = 256
		}
		limit = min(limit, piece)
	}
	n := copy(p, s.b[:min(len(s.b), limit)])
	m := copy(extra, s.b[n:min(len(s.b), limit)])
	s.b = s.b[n+m:]
	return n + m, nil
}

// ledger is a gate that only counts.
type ledger struct{ held, most int64 }

func (l *ledger) admit(frameHead) error { return nil }
func (l *ledger) charge(n int64) error  { l.held += n; l.most = max(l.most, l.held); return nil }
func (l *ledger) refund(n int64)        { l.held -= n }

func FuzzFramerCutsWhatWasSent(f *testing.F) {
	f.Add([]byte{0, 0, 0, 8, 0, 18, 0, 0, 0, 0, 0, 1}, []byte{1})
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, 0, 0}, []byte{})
	f.Add(append(binary.BigEndian.AppendUint32(nil, 70000), make([]byte, 70100)...), []byte{0, 200, 1})
	f.Fuzz(func(t *testing.T, stream, pieces []byte) {
		const limit = 1 << 20
		gate := &ledger{}
		pool := protocol.NewFramePool(0)
		framer := newFramer(&script{b: stream, pieces: pieces}, gate, pool, limit)
		rest := stream
		for {
			frame, h, err := framer.next()
			if err != nil {
				if gate.held != 0 || pool.InUse() != 0 {
					t.Fatalf("after %v, %d bytes are still charged and %d held", err, gate.held, pool.InUse())
				}
				whole := len(rest) >= 4 && int64(int32(binary.BigEndian.Uint32(rest))) <= int64(len(rest)-4)
				sound := whole && int32(binary.BigEndian.Uint32(rest)) >= frameHeadBytes && int32(binary.BigEndian.Uint32(rest)) <= limit
				switch {
				case sound:
					t.Fatalf("a whole frame was refused: %v", err)
				case len(rest) == 0 && !errors.Is(err, io.EOF):
					t.Fatalf("at the end: %v", err)
				}
				return
			}
			n := int(binary.BigEndian.Uint32(rest))
			if int(h.size) != n || !bytes.Equal(frame.Bytes, rest[4:4+n]) || h.key != int16(binary.BigEndian.Uint16(rest[4:])) {
				t.Fatalf("a frame of %d bytes came out as %d bytes", n, len(frame.Bytes))
			}
			if gate.held != int64(n) {
				t.Fatalf("%d bytes are charged for a frame of %d", gate.held, n)
			}
			frame.Release()
			gate.refund(int64(n))
			rest = rest[4+n:]
		}
	})
}

func TestMemoryForAFrameGrowsWithWhatHasArrived(t *testing.T) {
	for _, arrived := range []int{12, 20_000, 100_000, 700_000} {
		gate := &ledger{}
		stream := append(binary.BigEndian.AppendUint32(nil, 90<<20), make([]byte, arrived)...)
		_, _, err := newFramer(&script{b: stream}, gate, protocol.NewFramePool(0), 100<<20).next()
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		if bound := int64(max(firstPieceBytes, 5*arrived)); gate.most > bound {
			t.Fatalf("%d bytes were taken when %d had arrived, at most %d should be", gate.most, arrived, bound)
		}
	}
}
