package api

// Produce (key 0), versions 0 to 13: v1 throttle time, v2 message format 1, v3 transactional id and format 2, v5 log start offset, v7 zstd,
// v8 errors of single records, v9 flexible, v10 leader hints (KIP-951), v11 and v12 transactions (KIP-890), v13 topic ids (KIP-516).
//
// The request is taken in its connection's reader goroutine: decoded, each batch verified against its topic's limits, and sent to the
// partitions from there, so that connections do this work side by side. Invariants:
//
//   - every partition of the request gets exactly one answer: a refusal made here, or the one Produced sends; pending counts the
//     ones that are still to come, and the call is answered when it reaches 0 or time is up, whichever is first;
//   - each partition.Produce holds a reference to the memory its batch lies in.
//
// Beyond the protocol: acks 1 is acknowledged as late as acks -1, when the batch is on disk. Transactions are not served: a
// batch that belongs to one is refused.

import (
	"fmt"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/protocol"
)

func init() { registerRoute(Route{Key: 0, Min: 0, Max: protocol.ProduceVersionMax, Read: readProduce}) }

const (
	// produceTimeoutMin is the shortest time that is kept, ms: deadlines are looked at by a coarse tick, and Kafka with one replica
	// answers within any timeout.
	produceTimeoutMin = 1500
	// unanswered stands as the base offset of an answer that is still to come.
	unanswered = -2
	// adminClientID may produce to internal topics.
	adminClientID = "__admin_client"
	// attrTransactional is the bit in the second byte of a batch's attributes.
	attrTransactional   = 0x10
	transactionalByteAt = 22
)

// produceCall is a Produce request under way. The reader goroutine fills it, hands it over, and sends its produces; from then on
// it belongs to the connection's actor.
type produceCall struct {
	call    *Call
	req     protocol.ProduceRequest
	answers []protocol.ProduceAnswer
	nodes   []protocol.NodeEndpoint
	pending int
	done    bool

	oneAnswer  [1]protocol.ProduceAnswer
	oneProduce [1]partition.Produce
}

// readProduce is the Route's Reader.
func readProduce(c *Call, frame *protocol.Frame, body int) error {
	defer frame.Release()
	p := &produceCall{call: c}
	if err := p.req.Decode(frame.Bytes, body, c.Version); err != nil {
		return err
	}
	n := len(p.req.Partitions)
	p.answers = p.oneAnswer[:]
	if n != 1 {
		p.answers = make([]protocol.ProduceAnswer, n)
	}
	produces := p.oneProduce[:0]
	if n > 1 {
		produces = make([]partition.Produce, 0, n)
	}
	replicas := make([]*partition.Replica, 0, 4)
	nowMs := c.Broker.nowMs()
	c.chargeProduce(len(frame.Bytes), nowMs)
	if code, message := p.refusal(); code != protocol.ErrNone {
		for i := range p.answers {
			p.refuse(i, nil, code, message)
		}
	} else {
		image := c.Broker.Metadata.Load()
		for t := range p.req.Topics {
			topic := &p.req.Topics[t]
			found, code, message := p.topic(image, topic)
			for i := topic.First; i < topic.Last; i++ {
				if code != protocol.ErrNone {
					p.refuse(i, nil, code, message)
					continue
				}
				if r, ok := p.partition(&produces, found, i, frame, nowMs); ok {
					replicas = append(replicas, r)
				}
			}
		}
	}
	for i := range produces {
		p.answers[produces[i].Index].BaseOffset = unanswered
	}
	p.pending = len(produces)
	p.req.Forget()
	c.OnExpire(nowMs+max(produceTimeoutMin, int64(p.req.TimeoutMs)), false, p)
	c.HandOver()
	if len(produces) == 0 {
		p.finish()
		return nil
	}
	for i, r := range replicas { // p itself is the actor's now
		c.Broker.System.Send(r.PID, &produces[i])
	}
	return nil
}

// refusal is why the whole request is refused.
func (p *produceCall) refusal() (protocol.ErrorCode, string) {
	if p.req.Acks < -1 || p.req.Acks > 1 {
		return protocol.ErrInvalidRequiredAcks, fmt.Sprintf("acks is %d; 0, 1 and -1 (all) are allowed", p.req.Acks)
	}
	if p.transactional() {
		if p.req.TransactionalID == nil {
			return protocol.ErrTransactionalIDAuthorizationFailed, "a transactional batch needs a transactional id in its request"
		}
		return protocol.ErrInvalidTxnState, "transactions are not served by this broker: no partition has been added to one"
	}
	if d := p.call.Broker.Disk; d != nil && !d.Writable() {
		if err := d.Failed(); err != nil {
			return protocol.ErrKafkaStorageError, "the broker's disk failed"
		}
		return protocol.ErrKafkaStorageError, "the broker's disk is full"
	}
	return protocol.ErrNone, ""
}

// transactional says whether any batch has the transactional bit (record batches v2).
func (p *produceCall) transactional() bool {
	for i := range p.req.Partitions {
		b := p.req.Partitions[i].Records
		if len(b) >= protocol.BatchHeaderSize && b[16] == 2 && b[transactionalByteAt]&attrTransactional != 0 {
			return true
		}
	}
	return false
}

// topic finds a topic of the request by name or id.
func (p *produceCall) topic(image *controller.Image, t *protocol.ProduceTopic) (*controller.Topic, protocol.ErrorCode, string) {
	var found *controller.Topic
	if p.call.Version >= 13 {
		if found = image.TopicByID(t.ID); found == nil {
			return nil, protocol.ErrUnknownTopicID, ""
		}
	} else if found = image.Topic(string(t.Name)); found == nil {
		return nil, protocol.ErrUnknownTopicOrPartition, ""
	}
	if found.Internal && p.call.ClientID != adminClientID {
		return nil, protocol.ErrInvalidTopicException, fmt.Sprintf("%s is an internal topic: clients may not produce to it", found.Name)
	}
	return found, protocol.ErrNone, ""
}

// partition validates the record set of one partition and adds its Produce; false if it was refused.
func (p *produceCall) partition(produces *[]partition.Produce, topic *controller.Topic, i int, frame *protocol.Frame, nowMs int64) (*partition.Replica, bool) {
	asked := &p.req.Partitions[i]
	broker := p.call.Broker
	r, code := broker.replica(topic, asked.Partition)
	if code == protocol.ErrNone && r.Leadership().Leader != broker.NodeID {
		code = protocol.ErrNotLeaderForPartition
	}
	if code != protocol.ErrNone {
		p.refuse(i, r, code, "")
		return nil, false
	}
	cfg := r.Config()
	codec, _ := protocol.ParseCodec(cfg.CompressionType)
	valid, refused := protocol.ValidateProduce(asked.Records, &protocol.ProduceLimits{
		Version: p.call.Version, MaxMessageBytes: cfg.MaxMessageBytes, SegmentBytes: cfg.SegmentBytes,
		TimestampBeforeMs: cfg.TimestampBeforeMs, TimestampAfterMs: cfg.TimestampAfterMs, NowMs: nowMs,
		LogAppendTime: cfg.LogAppendTime, Compacted: cfg.CleanupCompact, Codec: codec,
	})
	if refused != nil {
		p.refuse(i, r, refused.Code, refused.Message)
		p.answers[i].Records = refused.Records
		if reader := r.Reader(); refused.Logged && reader != nil {
			p.answers[i].LogStartOffset = reader.Bounds().Start
		}
		return nil, false
	}
	start := asked.Start
	if valid.Rewritten {
		frame, start = broker.Frames.Hold(valid.Batch)
		valid.Batch = frame.Bytes[start:]
	} else {
		frame.Retain(1)
	}
	*produces = append(*produces, partition.Produce{
		Batch: valid.Batch, Frame: frame, Start: start, Header: valid.Header, Acks: p.req.Acks,
		Reply: p.call.Conn, Sender: broker.System, Token: p, Index: int32(i), AppendTimeMs: valid.AppendTimeMs,
	})
	return r, true
}

func (p *produceCall) refuse(i int, r *partition.Replica, code protocol.ErrorCode, message string) {
	p.answers[i] = protocol.ProduceAnswer{Code: code, Message: message, BaseOffset: -1, AppendTimeMs: -1, LogStartOffset: -1}
	if hint := leaderHint(r, code); hint != nil {
		p.hint(i, hint)
	}
}

func (p *produceCall) hint(i int, hint *protocol.LeaderHint) {
	p.answers[i].Leader = hint
	for j := range p.nodes {
		if p.nodes[j].NodeID == hint.NodeID {
			return
		}
	}
	if e, ok := p.call.Broker.endpoint(hint.NodeID); ok {
		p.nodes = append(p.nodes, e)
	}
}

// produced hands the results of a committed batch to the calls that wait for them.
func produced(m *partition.Produced) {
	for i := range m.Results {
		r := &m.Results[i]
		r.Token.(*produceCall).result(r)
	}
}

func (p *produceCall) result(r *partition.ProduceResult) {
	if p.done {
		return // too late: it was answered with REQUEST_TIMED_OUT
	}
	a := &p.answers[r.Index]
	*a = protocol.ProduceAnswer{Code: protocol.ErrorCode(r.ErrorCode), Message: r.ErrorMessage, BaseOffset: r.BaseOffset,
		AppendTimeMs: r.AppendTimeMs, LogStartOffset: r.LogStartOffset}
	if a.Code == protocol.ErrNotLeaderForPartition {
		p.hintFor(int(r.Index))
	}
	if p.pending--; p.pending == 0 {
		p.finish()
	}
}

// hintFor adds a hint to a refusal that came from the partition.
func (p *produceCall) hintFor(i int) {
	image := p.call.Broker.Metadata.Load()
	asked := &p.req.Partitions[i]
	topic, _, _ := p.topic(image, &p.req.Topics[asked.Topic])
	if topic == nil {
		return
	}
	r, _ := p.call.Broker.replica(topic, asked.Partition)
	if hint := leaderHint(r, protocol.ErrNotLeaderForPartition); hint != nil {
		p.hint(i, hint)
	}
}

// Expire implements Expirer: what has not been committed in time is answered so.
func (p *produceCall) Expire() {
	if p.done {
		return
	}
	for i := range p.answers {
		if a := &p.answers[i]; a.BaseOffset == unanswered {
			p.refuse(i, nil, protocol.ErrRequestTimedOut, "")
		}
	}
	p.finish()
}

// finish answers the call.
func (p *produceCall) finish() {
	p.done = true
	if p.req.Acks != 0 {
		p.call.ReplyEncoded(p)
		return
	}
	for i := range p.answers {
		if a := &p.answers[i]; a.Code != protocol.ErrNone {
			p.call.Close(fmt.Sprintf("produce with acks 0 failed with %s, of which nothing else can tell the client", a.Code))
			break
		}
	}
	p.call.ReplyNothing()
}

// AppendTo implements Encoder.
func (p *produceCall) AppendTo(dst []byte) []byte {
	return p.req.AppendResponse(dst, p.answers, p.call.ThrottleMs, p.nodes)
}
