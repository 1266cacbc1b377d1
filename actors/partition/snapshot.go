package partition

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/troupe-io/troupe/storage/segment"
)

// snapshot is a partition's state at one applied index, kept in the WAL's checkpoint: with the segments it describes it
// is all that a restart needs. The encoding begins with a version byte; integers are varints.
type snapshot struct {
	log       segment.State
	epochs    []EpochStart
	producers producers
}

const snapshotVersion = 1

func (s *snapshot) encode() []byte {
	b := append(make([]byte, 0, 64+24*len(s.epochs)+96*len(s.producers.byID)), snapshotVersion)
	b, _ = s.log.AppendBinary(b) // never fails
	b = binary.AppendUvarint(b, uint64(len(s.epochs)))
	for _, e := range s.epochs {
		b = binary.AppendVarint(b, int64(e.Epoch))
		b = binary.AppendVarint(b, e.Start)
	}
	b = binary.AppendUvarint(b, uint64(len(s.producers.byID)))
	for _, id := range s.producers.ids() {
		p := s.producers.byID[id]
		b = binary.AppendVarint(b, id)
		b = binary.AppendVarint(b, int64(p.epoch))
		b = binary.AppendUvarint(b, p.lastIndex)
		b = append(b, byte(p.count))
		for _, r := range p.batches[:p.count] {
			for _, v := range []int64{int64(r.firstSequence), int64(r.lastSequence), r.baseOffset, r.timestampMs} {
				b = binary.AppendVarint(b, v)
			}
		}
	}
	return b
}

var errSnapshot = errors.New("checkpoint of the partition is damaged")

// decodeSnapshot reads what encode wrote. nowMs is taken as the time when the producers were last seen.
func decodeSnapshot(b []byte, nowMs int64) (*snapshot, error) {
	d := decoder{b: b}
	if v := d.byte(); v != snapshotVersion {
		return nil, fmt.Errorf("%w: version %d, this broker reads %d", errSnapshot, v, snapshotVersion)
	}
	s := &snapshot{}
	var err error
	if s.log, d.b, err = segment.DecodeState(d.b); err != nil {
		return nil, fmt.Errorf("%w: %w", errSnapshot, err)
	}
	for n := d.count(2); n > 0; n-- {
		s.epochs = append(s.epochs, EpochStart{Epoch: int32(d.varint()), Start: d.varint()})
	}
	if n := d.count(4); n > 0 {
		s.producers.byID = make(map[int64]*producer, n)
		for ; n > 0; n-- {
			id := d.varint()
			p := &producer{epoch: int16(d.varint()), lastIndex: d.uvarint(), lastSeenMs: nowMs}
			count := d.byte()
			if count == 0 || count > batchesRemembered {
				d.bad = true
				break
			}
			p.count = int8(count)
			for i := range p.batches[:count] {
				p.batches[i] = rememberedBatch{int32(d.varint()), int32(d.varint()), d.varint(), d.varint()}
			}
			s.producers.byID[id] = p
		}
	}
	if d.bad || len(d.b) != 0 {
		return nil, fmt.Errorf("%w: %d bytes", errSnapshot, len(b))
	}
	return s, nil
}

// decoder reads varints; the first thing out of bounds makes everything after it zero and bad true.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) byte() byte {
	if d.bad || len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	return took(d, v, n)
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	return took(d, v, n)
}

func took[T int64 | uint64](d *decoder, v T, n int) T {
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads a length whose elements take at least size bytes each.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.b)/size) {
		d.bad = true
		return 0
	}
	return int(n)
}
