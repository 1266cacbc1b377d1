package partition

import (
	"testing"

	"github.com/troupe-io/troupe/protocol"
)

func header(id int64, epoch int16, sequence, count int32) *protocol.BatchHeader {
	return &protocol.BatchHeader{ProducerID: id, ProducerEpoch: epoch, BaseSequence: sequence, LastOffsetDelta: count - 1, RecordCount: count, MaxTimestamp: 77}
}

func TestIdempotentBatchesAreJudgedAsKafkaDoes(t *testing.T) {
	const top = 1<<31 - 1
	type step struct {
		h         *protocol.BatchHeader
		code      protocol.ErrorCode
		duplicate bool
	}
	for name, steps := range map[string][]step{
		"any first sequence of an unknown producer":   {{h: header(1, 3, 17, 5)}, {h: header(1, 3, 22, 1)}},
		"a negative epoch":                            {{h: header(1, -3, 0, 1), code: protocol.ErrInvalidProducerEpoch}},
		"a gap":                                       {{h: header(1, 0, 0, 5)}, {h: header(1, 0, 6, 1), code: protocol.ErrOutOfOrderSequenceNumber}},
		"a duplicate of the last":                     {{h: header(1, 0, 0, 5)}, {h: header(1, 0, 0, 5), duplicate: true}},
		"a duplicate of the fifth last":               {{h: header(1, 0, 0, 1)}, {h: header(1, 0, 1, 1)}, {h: header(1, 0, 2, 1)}, {h: header(1, 0, 3, 1)}, {h: header(1, 0, 4, 1)}, {h: header(1, 0, 0, 1), duplicate: true}},
		"older than the last five":                    {{h: header(1, 0, 0, 1)}, {h: header(1, 0, 1, 1)}, {h: header(1, 0, 2, 1)}, {h: header(1, 0, 3, 1)}, {h: header(1, 0, 4, 1)}, {h: header(1, 0, 5, 1)}, {h: header(1, 0, 0, 1), code: protocol.ErrOutOfOrderSequenceNumber}},
		"an epoch change begins with sequence 0":      {{h: header(1, 0, 0, 5)}, {h: header(1, 1, 5, 1), code: protocol.ErrOutOfOrderSequenceNumber}, {h: header(1, 1, 0, 1)}},
		"an old epoch is fenced, also for duplicates": {{h: header(1, 0, 0, 5)}, {h: header(1, 1, 0, 1)}, {h: header(1, 0, 0, 5), code: protocol.ErrInvalidProducerEpoch}},
		"sequences wrap at 2^31":                      {{h: header(1, 0, top-1, 2)}, {h: header(1, 0, 0, 3)}, {h: header(1, 0, 3, 1)}},
		"a batch may hold the wrap":                   {{h: header(1, 0, top, 3)}, {h: header(1, 0, 2, 1)}},
	} {
		t.Run(name, func(t *testing.T) {
			var s producers
			offset := int64(100)
			for i, step := range steps {
				v := s.judge(step.h)
				if v.code != step.code || v.duplicate != step.duplicate {
					t.Fatalf("step %d: %+v", i, v)
				}
				if v.code == 0 && !v.duplicate {
					s.record(step.h, offset, uint64(i), 0)
					offset += int64(step.h.RecordCount)
				}
				if v.duplicate && (v.baseOffset != 100 || v.timestampMs != 77) {
					t.Fatalf("step %d: a duplicate of the first batch: %+v", i, v)
				}
			}
		})
	}
}

func TestTheLeastRecentlyActiveProducersAreForgottenFirst(t *testing.T) {
	var s producers
	for i := range int64(producersMax) {
		s.record(header(i, 0, 0, 1), i, uint64(i), 0)
	}
	s.record(header(0, 0, 1, 1), producersMax, producersMax, 0) // the oldest is active again
	s.record(header(producersMax, 0, 0, 1), producersMax+1, producersMax+1, 0)
	if s.byID[0] == nil || s.byID[1] != nil || s.byID[producersMax] == nil {
		t.Fatal("the wrong producers were forgotten")
	}
	if len(s.byID) > producersMax {
		t.Fatalf("%d producers", len(s.byID))
	}
}
