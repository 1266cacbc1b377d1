// Package verify compares what a broker acknowledged with what it hands out.
//
// Each producer numbers its records of each partition from 0; a number is given out once and its record is never sent again under
// another. Invariants:
//
//   - a record is lost only if it was acknowledged and never read: what was not acknowledged may be there or not;
//   - the memory is bounded: numbers are kept as spans (Ranges), so a log in order costs a few words a producer and partition, and
//     one in disorder has a limit, past which the log counts as "unverifiable" instead of being guessed at.
package verify

import (
	"fmt"
	"sort"
	"sync"

	"github.com/troupe-io/troupe/bench/load/records"
)

// Kind is a kind of fault.
type Kind string

// The kinds of faults.
const (
	Lost             Kind = "lost"               // acknowledged, and not in the log
	Doubled          Kind = "doubled"            // in the log more than once
	Reordered        Kind = "reordered"          // behind a record of the same producer and partition that was sent later
	Corrupt          Kind = "corrupt"            // a checksum does not hold, or it stands in another partition
	AckWithoutOffset Kind = "ack_without_offset" // acknowledged without saying where
	Unverifiable     Kind = "unverifiable"       // could not be read, or is too disordered to judge
)

// Kinds lists them all, worst first.
var Kinds = []Kind{Lost, Corrupt, Doubled, Reordered, AckWithoutOffset, Unverifiable}

const (
	// examplesMax bounds the list of a kind.
	examplesMax = 10
	// streamsMax bounds the producers in one partition, of all runs that are in its log.
	streamsMax = 1 << 14
)

// Verifier holds what is known of a topic. Its methods may be called by any goroutine.
type Verifier struct {
	topic string
	run   uint64
	alone bool // nothing is known of acknowledgements: each gap in the numbers is a loss
	logs  []Log

	mu       sync.Mutex
	counts   map[Kind]int64
	examples map[Kind][]string
}

// New makes the verifier of a run that produces; run is the number in its stamps.
func New(topic string, partitions int, run uint64) *Verifier {
	v := &Verifier{topic: topic, run: run, logs: make([]Log, partitions), counts: map[Kind]int64{}, examples: map[Kind][]string{}}
	for i := range v.logs {
		v.logs[i] = Log{v: v, partition: int32(i), streams: map[streamID]*stream{}, nextOffset: -1}
	}
	return v
}

// NewAlone makes the verifier of what earlier runs have written: it knows of no acknowledgements, so a gap in the numbers of a
// producer is a loss.
func NewAlone(topic string, partitions int) *Verifier {
	v := New(topic, partitions, 0)
	v.alone = true
	return v
}

type streamID struct {
	run      uint64
	producer int32
}

// stream is one producer's records in one partition.
type stream struct {
	acked   Ranges
	excused Ranges // may be there twice, late or not at all: given up, or sent again without idempotence
	seen    Ranges
}

// Log is one partition as its reader sees it.
type Log struct {
	v          *Verifier
	partition  int32
	mu         sync.Mutex
	streams    map[streamID]*stream
	lastID     streamID
	last       *stream
	nextOffset int64
	records    int64
	foreign    int64
	excused    int64
}

func (l *Log) stream(id streamID) *stream {
	if l.last != nil && l.lastID == id {
		return l.last
	}
	s := l.streams[id]
	if s == nil {
		if len(l.streams) >= streamsMax {
			return nil
		}
		s = &stream{}
		l.streams[id] = s
	}
	l.lastID, l.last = id, s
	return s
}

// Fault counts n faults of a kind; the first few are kept for the list.
func (v *Verifier) Fault(kind Kind, n int64, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.counts[kind] += n
	if len(v.examples[kind]) < examplesMax {
		v.examples[kind] = append(v.examples[kind], fmt.Sprintf(format, args...))
	}
}

// Acked says that the broker acknowledged a producer's records first to last of a partition, the first at offset.
func (v *Verifier) Acked(producer, partition int32, first, last, offset int64) {
	if offset < 0 {
		v.Fault(AckWithoutOffset, last-first+1, "%s-%d: producer %d, %s acknowledged with offset %d", v.topic, partition, producer, numbers(first, last), offset)
	}
	v.add(producer, partition, first, last, func(s *stream) *Ranges { return &s.acked })
}

// Excuse says that records may be in the log late, more than once or not at all, and that this is no fault of the broker.
func (v *Verifier) Excuse(producer, partition int32, first, last int64) {
	v.add(producer, partition, first, last, func(s *stream) *Ranges { return &s.excused })
}

func (v *Verifier) add(producer, partition int32, first, last int64, to func(*stream) *Ranges) {
	l := &v.logs[partition]
	l.mu.Lock()
	s := l.stream(streamID{v.run, producer})
	ok := s != nil && to(s).Add(first, last)
	l.mu.Unlock()
	if !ok {
		v.Fault(Unverifiable, last-first+1, "%s-%d: producer %d: too many gaps to keep account of", v.topic, partition, producer)
	}
}

// Log is a partition's; it has one reader at a time.
func (v *Verifier) Log(partition int32) *Log { return &v.logs[partition] }

// Begin and End enclose the calls for one batch of records.
func (l *Log) Begin() { l.mu.Lock() }

// End ends what Begin began.
func (l *Log) End() { l.mu.Unlock() }

// Record takes the next record of the partition. It returns the stamp if the record is whole and of this run (of any run, if
// the verifier is alone).
func (l *Log) Record(offset int64, key, value []byte) (records.Stamp, bool) {
	l.records++
	if offset < l.nextOffset {
		l.v.Fault(Reordered, 1, "%s-%d: offset %d came after offset %d", l.v.topic, l.partition, offset, l.nextOffset-1)
	}
	l.nextOffset = max(l.nextOffset, offset+1)
	st, err := records.CheckStamp(key, value)
	if err != nil {
		l.v.Fault(Corrupt, 1, "%s-%d offset %d: %v", l.v.topic, l.partition, offset, err)
		return st, false
	}
	if !l.v.alone && st.Run != l.v.run {
		l.foreign++
		return st, false
	}
	if st.Partition != l.partition {
		l.v.Fault(Corrupt, 1, "%s-%d offset %d: producer %d, number %d was sent to partition %d", l.v.topic, l.partition, offset, st.Producer, st.Number, st.Partition)
		return st, false
	}
	s := l.stream(streamID{st.Run, st.Producer})
	if s == nil {
		l.v.Fault(Unverifiable, 1, "%s-%d offset %d: more than %d producers", l.v.topic, l.partition, offset, streamsMax)
		return st, true
	}
	n := st.Number
	if last := s.seen.Max(); n <= last {
		switch {
		case s.excused.Has(n):
			l.excused++
		case s.seen.Has(n):
			l.v.Fault(Doubled, 1, "%s-%d offset %d: producer %d, number %d is there already", l.v.topic, l.partition, offset, st.Producer, n)
		default:
			l.v.Fault(Reordered, 1, "%s-%d offset %d: producer %d, number %d comes after number %d", l.v.topic, l.partition, offset, st.Producer, n, last)
		}
	}
	if !s.seen.Add(n, n) {
		l.v.Fault(Unverifiable, 1, "%s-%d: producer %d: too many gaps to keep account of", l.v.topic, l.partition, st.Producer)
	}
	return st, true
}

// CorruptBatch says that a batch could not be read as one.
func (l *Log) CorruptBatch(offset int64, err error) {
	l.v.Fault(Corrupt, 1, "%s-%d offset %d: %v", l.v.topic, l.partition, offset, err)
}

// Report is the verdict.
type Report struct {
	OK           bool              `json:"ok"`
	Acknowledged int64             `json:"acknowledged"`       // records of this run
	Read         int64             `json:"read"`               // records read back, of any run
	Unexpected   int64             `json:"read_not_acked"`     // there without an acknowledgement: no fault
	Excused      int64             `json:"excused"`            // doubled or late, by a retry without idempotence or after giving up: no fault of the broker's
	Foreign      int64             `json:"foreign"`            // of other runs
	Faults       map[Kind]int64    `json:"faults"`             // records by kind
	Examples     map[Kind][]string `json:"examples,omitempty"` // the first few of each kind
}

// Finish looks for what is lost, once everything has been read, and gives the verdict. It is called once.
func (v *Verifier) Finish() Report {
	r := Report{}
	for i := range v.logs {
		l := &v.logs[i]
		l.mu.Lock()
		r.Read, r.Foreign, r.Excused = r.Read+l.records, r.Foreign+l.foreign, r.Excused+l.excused
		ids := make([]streamID, 0, len(l.streams))
		for id := range l.streams {
			ids = append(ids, id)
		}
		sort.Slice(ids, func(i, j int) bool { return ids[i].producer < ids[j].producer })
		for _, id := range ids {
			s := l.streams[id]
			if v.alone {
				spans := s.seen.Spans()
				for k := 1; k < len(spans); k++ {
					v.lost(l, id, Span{spans[k-1].Last + 1, spans[k].First - 1}, "missing between others")
				}
				continue
			}
			r.Acknowledged += s.acked.Len()
			s.acked.Minus(&s.seen, func(gap Span) { v.lost(l, id, gap, "acknowledged and not in the log") })
			s.seen.Minus(&s.acked, func(more Span) { r.Unexpected += more.Len() })
		}
		l.mu.Unlock()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	r.Faults, r.Examples, r.OK = v.counts, v.examples, len(v.counts) == 0
	return r
}

func (v *Verifier) lost(l *Log, id streamID, s Span, why string) {
	v.Fault(Lost, s.Len(), "%s-%d: producer %d, %s %s", v.topic, l.partition, id.producer, numbers(s.First, s.Last), why)
}

func numbers(first, last int64) string {
	if first == last {
		return fmt.Sprintf("number %d", first)
	}
	return fmt.Sprintf("numbers %d to %d (%d records)", first, last, last-first+1)
}
