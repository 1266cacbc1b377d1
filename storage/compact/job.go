package compact

import (
	"errors"
	"fmt"
	"math"

	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/segment"
)

// Config is one round of compaction of one log.
type Config struct {
	Cleaning *segment.Cleaning
	// FirstDirty is where the last round ended; End is the base of the first segment that must not be cleaned yet, or of none.
	FirstDirty, End int64
	// NowMs is the time of the round; DeleteRetentionMs is delete.retention.ms.
	NowMs, DeleteRetentionMs int64
	// LastOffsets is the last offset of each active producer's last batch, by producer id.
	LastOffsets map[int64]int64
	// MapBytes bounds the memory for keys; what does not fit is for the next round.
	MapBytes int64
	Key      HashKey
}

// Stats says what a round has done so far.
type Stats struct {
	BytesRead, BytesWritten       int64
	BytesBefore, BytesAfter       int64 // of the segments that were swapped or found to need nothing
	RecordsRead, RecordsDropped   int64 // of the copying part
	Keys                          int64 // in the map
	MapBytes                      int64
	SegmentsBefore, SegmentsAfter int
	BytesToRead                   int64 // in all, as far as it is known
	MapFull                       bool
}

// Phase is where a Job stands.
type Phase int

const (
	// Indexing reads the dirty part.
	Indexing Phase = iota
	// Copying writes cleaned segments.
	Copying
	// Swapping waits for Swapped: Cleaned is ready.
	Swapping
	// Done is the end.
	Done
)

// String is the phase's name as people see it.
func (p Phase) String() string { return [...]string{"indexing", "copying", "swapping", "done"}[p] }

// Job is one round, in steps. It is for one goroutine.
//
// Invariants: the map is complete up to filter.latest before anything is copied; segments are copied in order, group by group, and a
// group is given up or swapped before the next one begins, so that what a failure leaves is a log cleaned up to some group.
type Job struct {
	filter
	segs   []segment.ClosedSegment
	phase  Phase
	next   int // the segment to read next
	src    source
	end    int64 // the round cleans up to here
	groups []group
	g      int
	out    *segment.Output
	buffer []byte
	lazy   bool // nothing of the group differs so far, so nothing is written
	mark   Stats
	done   *segment.Cleaned
	stats  Stats
}

// group is segments that become one.
type group struct{ first, n int }

// NewJob begins a round.
func NewJob(cfg Config) *Job {
	j := &Job{filter: filter{Config: cfg, latest: cfg.FirstDirty - 1, seen: newOffsetMap(cfg.MapBytes, cfg.FirstDirty)}, end: cfg.FirstDirty}
	for _, s := range cfg.Cleaning.Segments() {
		if s.Next > cfg.End {
			break
		}
		j.segs = append(j.segs, s)
		j.stats.BytesToRead += s.Bytes
		if s.Next > cfg.FirstDirty {
			j.stats.BytesToRead += s.Bytes
		}
	}
	for j.next < len(j.segs) && j.segs[j.next].Next <= cfg.FirstDirty {
		j.next++
	}
	return j
}

// Phase says where the job stands.
func (j *Job) Phase() Phase { return j.phase }

// Stats says what was done so far.
func (j *Job) Stats() Stats { return j.stats }

// CleanedUpTo is the offset below which the log is clean when the job is done.
func (j *Job) CleanedUpTo() int64 { return j.end }

// Cleaned is the segment to be swapped in, while the phase is Swapping.
func (j *Job) Cleaned() *segment.Cleaned { return j.done }

// Swapped says that Cleaned was swapped in.
func (j *Job) Swapped() {
	invariant.Check(j.phase == Swapping, "swapped while %s", j.phase)
	g := j.groups[j.g]
	for _, s := range j.segs[g.first : g.first+g.n] {
		j.stats.BytesBefore += s.Bytes
	}
	j.stats.BytesAfter += j.done.Bytes()
	j.stats.SegmentsBefore += g.n
	j.stats.SegmentsAfter++
	j.done = nil
	j.endGroup()
}

// Refused says that Cleaned was not swapped in, and that its files are not looked at any more; the job is over.
func (j *Job) Refused() {
	invariant.Check(j.phase == Swapping, "refused while %s", j.phase)
	j.done.Abandon()
	j.Close()
}

// Close gives up what the job holds. A segment on its way to be swapped in stays where it is: it may be swapped in yet, and what is left
// of it is removed by the next round or when the log is next opened.
func (j *Job) Close() {
	j.src.close()
	if j.out != nil {
		j.out.Abandon()
		j.out = nil
	}
	j.done, j.seen, j.phase = nil, nil, Done
}

// Step goes on until about budget bytes were read or written, or the phase is Swapping or Done. An error ends the job; Close it.
func (j *Job) Step(budget int64) error {
	until := j.stats.BytesRead + j.stats.BytesWritten + budget
	for (j.phase == Indexing || j.phase == Copying) && j.stats.BytesRead+j.stats.BytesWritten < until {
		var err error
		if j.phase == Indexing {
			err = j.index()
		} else {
			err = j.copy()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read is the next batch of segment i, nil at its end.
func (j *Job) read(i int) ([]byte, error) {
	if j.src.f == nil {
		if err := j.src.open(j.Cleaning, i, j.segs[i].Bytes); err != nil {
			return nil, err
		}
	}
	b, err := j.src.next()
	j.stats.BytesRead += int64(len(b))
	return b, err
}

// index takes one batch into the map.
func (j *Job) index() error {
	if j.next >= len(j.segs) {
		return j.indexed()
	}
	b, err := j.read(j.next)
	if err != nil {
		return err
	}
	if b == nil {
		j.src.close()
		j.end = j.segs[j.next].Next
		j.latest = j.end - 1
		j.next++
		return nil
	}
	h, err := protocol.ParseBatchHeader(b)
	if err != nil {
		return fmt.Errorf("%w: %w", err, segment.ErrCorrupt)
	}
	if h.LastOffset() < j.FirstDirty {
		return nil
	}
	more, err := j.learn(b, &h, &j.stats)
	if err != nil {
		return err
	}
	if !more {
		j.src.close()
		j.stats.MapFull = true
		j.end = j.latest + 1
		return j.indexed()
	}
	return nil
}

// indexed ends the first part: what is to be copied is cut into groups, oldest first, as many small segments to one as the size of a
// segment, of an index and of a relative offset allow.
func (j *Job) indexed() error {
	j.stats.Keys, j.stats.MapBytes = int64(j.seen.n), j.seen.bytes()
	j.phase = Copying
	n := len(j.segs)
	for n > 0 && j.segs[n-1].Base >= j.end {
		n--
	}
	if j.end <= j.FirstDirty && j.stats.MapFull {
		return errors.New("compact: the memory for keys does not hold one record")
	}
	opt := j.Cleaning.Options()
	size := min(opt.SegmentBytes, segment.OutputBytesMax)
	for i := 0; i < n; {
		g := group{first: i, n: 1}
		bytes, index := j.segs[i].Bytes, j.Cleaning.IndexBytes(i)
		for k := i + 1; k < n; k++ {
			s := j.segs[k]
			if bytes+s.Bytes > size || index+j.Cleaning.IndexBytes(k) > indexBytesMax || s.Next-1-j.segs[i].Base > math.MaxInt32 {
				break
			}
			bytes, index = bytes+s.Bytes, index+j.Cleaning.IndexBytes(k)
			g.n++
		}
		j.groups = append(j.groups, g)
		i += g.n
	}
	j.stats.BytesToRead = j.stats.BytesRead
	for _, s := range j.segs[:n] {
		j.stats.BytesToRead += s.Bytes
	}
	j.begin()
	return nil
}

// indexBytesMax is Kafka's default of segment.index.bytes.
const indexBytesMax = 10 << 20

// begin begins the group at g, or ends the job.
func (j *Job) begin() {
	if j.g >= len(j.groups) {
		j.seen, j.phase = nil, Done
		return
	}
	g := j.groups[j.g]
	j.phase, j.next, j.lazy, j.mark = Copying, g.first, g.n == 1, j.stats
}

func (j *Job) endGroup() {
	j.g++
	j.begin()
}

// copy decides about one batch of the group.
func (j *Job) copy() error {
	g := j.groups[j.g]
	if j.next == g.first+g.n {
		return j.finish(g)
	}
	b, err := j.read(j.next)
	if err != nil {
		return err
	}
	if b == nil {
		j.src.close()
		j.next++
		return nil
	}
	room := int64(segment.OutputBytesMax) - int64(len(b)) - j.src.left()
	for _, s := range j.segs[j.next+1 : g.first+g.n] {
		room -= s.Bytes
	}
	if j.out != nil {
		room -= j.out.Bytes()
	}
	out, changed, err := j.batch(b, room, &j.stats)
	if err != nil {
		return err
	}
	if j.lazy {
		if !changed {
			return nil
		}
		// The first difference: from here on it is known that the segment is worth writing.
		j.lazy = false
		j.src.rewind()
		j.stats.RecordsRead, j.stats.RecordsDropped = j.mark.RecordsRead, j.mark.RecordsDropped
		return nil
	}
	if len(out) == 0 {
		return nil
	}
	if err := j.open(g); err != nil {
		return err
	}
	j.stats.BytesWritten += int64(len(out))
	return j.out.Append(out)
}

func (j *Job) open(g group) (err error) {
	if j.out == nil {
		if j.buffer == nil {
			j.buffer = segment.OutputBuffer()
		}
		j.out, err = j.Cleaning.NewOutput(g.first, g.n, j.buffer)
	}
	return err
}

// finish ends a group: nothing to be done, or a segment to be swapped in.
func (j *Job) finish(g group) error {
	if j.lazy {
		j.stats.BytesBefore += j.segs[g.first].Bytes
		j.stats.BytesAfter += j.segs[g.first].Bytes
		j.stats.SegmentsBefore++
		j.stats.SegmentsAfter++
		j.endGroup()
		return nil
	}
	if err := j.open(g); err != nil { // nothing was kept: an empty segment
		return err
	}
	done, err := j.out.Finish()
	j.out = nil
	if err != nil {
		return err
	}
	j.done, j.phase = done, Swapping
	return nil
}
