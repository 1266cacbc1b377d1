// Package partition is the replicated log of one partition: offsets, idempotence, high watermark, long polls and read views.
package partition

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/protocol"
)

// Messages to a partition actor: all are sent as pointers. Its answers (Produced, Woken, …) are pointers too.

// Produce asks to append one record batch. The sender has verified its bounds, CRC-32C, header and the topic's limits, and
// has stamped LogAppendTime if the topic wants it.
type Produce struct {
	// Batch is the v2 record batch. It aliases Frame, and Prefix writes into the byte in front of it: Batch must be a
	// subslice with at least one byte of its frame before it (in a Produce request that is the end of the length field).
	Batch  []byte
	Frame  *protocol.Frame // one reference, owned by the partition from now on
	Start  int             // Frame.Bytes[Start:Start+len(Batch)] is Batch; Start >= 1
	Header protocol.BatchHeader
	Acks   int16 // -1, 0, 1
	// Reply gets a *Produced that carries Token and Index back; with acks 0 too (an error closes the connection).
	Reply  *actor.PID
	Sender Sender // carries the answer if no actor takes the message (see undelivered.go)
	Token  any
	Index  int32
	// AppendTimeMs is what the answer's LogAppendTime shows, -1 with CreateTime.
	AppendTimeMs int64
}

// Produced carries the results of one committed batch, for one connection, in one message.
type Produced struct{ Results []ProduceResult }

// ProduceResult answers one Produce.
type ProduceResult struct {
	Token          any
	Index          int32
	ErrorCode      int16
	ErrorMessage   string
	BaseOffset     int64 // -1 on error
	AppendTimeMs   int64
	LogStartOffset int64
}

// Wait asks to be woken (Woken) once when the replica's high watermark passes Offset, when leadership or log start
// changes, or when the partition is deleted. A Cancel with the same Reply and Token takes it back.
type Wait struct {
	Offset int64
	Reply  *actor.PID
	Sender Sender
	Token  any
}

// Cancel takes a Wait back.
type Cancel struct {
	Reply *actor.PID
	Token any
}

// Woken answers a Wait; the waiter looks again at the replica's reader.
type Woken struct {
	Token any
	// Refused: no actor took the Wait; waiting again now would be of no use.
	Refused bool
}

// DeleteRecords moves the log start offset up to Offset (-1: the high watermark), durably.
type DeleteRecords struct {
	Offset int64
	Reply  *actor.PID
	Sender Sender
	Token  any
	Index  int32
}

// RecordsDeleted answers DeleteRecords with the new low watermark.
type RecordsDeleted struct {
	Token        any
	Index        int32
	ErrorCode    int16
	LowWatermark int64
}

// DescribeProducers asks for the active producers (Kafka API 61).
type DescribeProducers struct {
	Reply  *actor.PID
	Sender Sender
	Token  any
	Index  int32
}

// ProducersDescribed answers DescribeProducers.
type ProducersDescribed struct {
	Token     any
	Index     int32
	ErrorCode int16
	Producers []ActiveProducer
}

// ActiveProducer is one producer's state.
type ActiveProducer struct {
	ID                 int64
	Epoch              int16
	LastSequence       int32
	LastTimestampMs    int64
	CoordinatorEpoch   int32
	CurrentTxnStartOff int64 // -1: no transaction
}
