package segment

// This file decides which segments go. Kafka's rules: oldest first; by time if the segment's largest timestamp is older than
// retention.ms; by size as long as the log would still hold retention.bytes without the segment; and all below the log start.

import "slices"

// SetStart moves the log start offset up (DeleteRecords, retention); whole segments below it are deleted in the background,
// when no reader holds them, DeleteDelayMs later. An offset below the present start changes nothing; one above the end is cut to it.
//
// A segment that a recorded State may still name as active stays until a later State is recorded: see Checkpoint.
func (l *Log) SetStart(offset int64) {
	offset = min(offset, l.end)
	if offset <= l.start || l.closing {
		return
	}
	l.start = offset
	for len(l.recent) > 0 && l.recent[0].next.Load() <= offset {
		s := l.recent[0]
		l.doomed = append(l.doomed, s)
		l.recent = l.recent[1:]
		l.closedSegments--
		l.closedBytes -= s.size.Load()
	}
	l.republish()
	l.deleteDoomed(l.reader.olderMayEndBelow(offset))
}

// deleteDoomed sends off the segments that no recorded State needs, and older ones with them.
func (l *Log) deleteDoomed(older bool) {
	var gone []*seg
	for len(l.doomed) > 0 && l.doomed[0].base < l.recordedBase {
		gone = append(gone, l.doomed[0])
		l.doomed = l.doomed[1:]
	}
	if len(gone) > 0 || older {
		l.send(&deleteOp{opBase: opBase{log: l}, recent: gone, below: l.start, delayMs: l.opt.DeleteDelayMs})
	}
}

// NeedsCheckpoint says that segments wait for a Checkpoint before they can be deleted or compacted.
func (l *Log) NeedsCheckpoint() bool {
	return len(l.doomed) > 0 || l.opt.Compact && l.recordedBase < l.seg.base && l.durable.ActiveBase < l.seg.base
}

// RetentionStart says where the log should start by Options' time and size limits now; it equals StartOffset if nothing is to go.
// It may roll the active segment if all of it is past RetentionMs. Segments from before Open are listed in the background when
// first needed: until then they are kept.
func (l *Log) RetentionStart(nowMs int64) int64 {
	if l.closing || l.err != nil || l.opt.RetentionMs < 0 && l.opt.RetentionBytes < 0 || l.closedSegments == 0 && l.pos == 0 {
		return l.start
	}
	older, known := l.reader.known()
	older = before(older, l.recent)
	// A reader may have listed them already, but not have asked for their times.
	dated := l.opt.RetentionMs < 0 || !slices.ContainsFunc(older, func(s *seg) bool { return s.largest.Load() == nil })
	if !known || !dated {
		if !l.listing {
			l.listing = true
			l.send(&listOp{opBase{log: l}})
		}
		if !known {
			return l.start
		}
	}
	start := l.start
	total := l.closedBytes + l.pos
	expired := func(largest *stamp) bool {
		return l.opt.RetentionMs >= 0 && largest != nil && largest.timestamp >= 0 && nowMs-largest.timestamp > l.opt.RetentionMs
	}
	for i := range len(older) + len(l.recent) {
		var s *seg
		if i < len(older) {
			s = older[i]
		} else {
			s = l.recent[i-len(older)]
		}
		size := s.size.Load()
		if size == 0 {
			continue // compaction left nothing in it: it goes with the next
		}
		tooMuch := l.opt.RetentionBytes >= 0 && total-l.opt.RetentionBytes >= size
		if !tooMuch && !expired(s.largest.Load()) {
			return start
		}
		total -= size
		start = max(start, s.next.Load())
	}
	if l.pos > 0 && expired(&l.x.largest) {
		l.roll(l.end)
		start = l.end
	}
	return start
}

// RollIfDue rolls the active segment if SegmentMs has passed since its first append.
func (l *Log) RollIfDue(nowMs int64) {
	if l.pos > 0 && nowMs-l.createdMs > l.opt.SegmentMs && !l.closing && l.err == nil {
		l.roll(l.end)
	}
}

// recount takes the number and size of closed segments from what the directory was found to hold.
func (l *Log) recount() {
	older, known := l.reader.known()
	if !known {
		return
	}
	l.closedSegments, l.closedBytes = 0, 0
	for _, list := range [][]*seg{before(older, l.recent), l.recent} {
		for _, s := range list {
			l.closedSegments++
			l.closedBytes += s.size.Load()
		}
	}
}
