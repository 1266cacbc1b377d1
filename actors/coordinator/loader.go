package coordinator

// This file owns the loader: an actor on its own lane that reads logs for the coordinators, because a read may block. It has no
// state. A coordinator has one piece on the way at a time, so memory is bounded by the number of coordinators that load.

import (
	"fmt"
	"io"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/segment"
)

// loadBytesMax is the size of a piece, if its first batch is not larger.
const loadBytesMax = 1 << 20

// LogReader is what is read of a partition's log; *segment.Reader is one.
type LogReader interface {
	Bounds() segment.Bounds
	Read(offset, upTo, maxBytes int64, minOneBatch bool) (*segment.Slice, error)
}

// Replica is what a coordinator sees of its partition.
type Replica interface {
	Leadership() partition.Leadership
	// Log is nil while the replica has not opened.
	Log() LogReader
}

// OfPartition makes a partition's replica a Replica.
func OfPartition(r *partition.Replica) Replica { return replica{r} }

type replica struct{ *partition.Replica }

func (r replica) Log() LogReader {
	if l := r.Reader(); l != nil {
		return l
	}
	return nil
}

// LoaderSpec describes the broker's one loader.
func LoaderSpec() actorsystem.Spec {
	return actorsystem.Spec{Kind: "coordinator-loader", Name: "0", Lane: actorsystem.Own, New: func() actor.Actor { return loader{} }}
}

type loader struct{}

func (loader) Receive(ctx actor.Context) {
	if l, ok := ctx.Message().(load); ok {
		b, err := readPiece(l.log, l.offset, l.upTo)
		l.reply(loaded{batches: b, offset: l.offset, err: err})
	}
}

// Undelivered tells the coordinator that its piece will not come.
func (l load) Undelivered(reason error) { l.reply(loaded{offset: l.offset, err: reason}) }

func readPiece(log LogReader, offset, upTo int64) ([]byte, error) {
	s, err := log.Read(offset, upTo, loadBytesMax, true)
	if err != nil {
		return nil, fmt.Errorf("read the log from offset %d up to %d: %w", offset, upTo, err)
	}
	defer s.Release()
	b := make([]byte, 0, s.Size)
	for i := range s.Parts {
		p := &s.Parts[i]
		if p.Bytes != nil {
			b = append(b, p.Bytes...)
			continue
		}
		at := len(b)
		b = append(b, make([]byte, p.Length)...)
		if _, err := io.ReadFull(io.NewSectionReader(p.File, p.Offset, p.Length), b[at:]); err != nil {
			return nil, fmt.Errorf("read the log from offset %d: %d bytes of a segment at %d: %w", offset, p.Length, p.Offset, err)
		}
	}
	return b, nil
}
