package api

// Fetch (key 1), versions 4 to 18: v5 log start offset, v7 sessions (KIP-227), v9 current leader epoch (KIP-320), v11 rack (KIP-392), v12
// flexible, last fetched epoch and diverging epoch (KIP-595), v13 topic ids (KIP-516), v15 replica state (KIP-903), v16 leader
// hints (KIP-951), v17 directory ids and v18 high watermark of followers.
//
// A fetch that finds too little waits without a goroutine: each of its partitions gets a partition.Wait, and the connection one timer.
// Invariants:
//
//   - the call is answered once, by respond, on the connection's actor or, if a read may have to wait for the disk, in the
//     connection's writer; whatever comes after that (Woken, the timer) finds done set;
//   - every Wait is woken or taken back.
//
// Beyond the protocol: followers do not fetch here (replication has its own links), so a replica id is refused; read_committed
// reads up to the last stable offset and lists no aborted transactions, as there are none; no replica is preferred over the leader.

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actors/quota"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/segment"
)

func init() { register(1, 4, 18, fetch) }

const (
	// fetchMaxWaitMs bounds MaxWaitMillis.
	fetchMaxWaitMs = 10 * 60 * 1000
	// fetchMaxBytesDefault is fetch.max.bytes where Settings has none.
	fetchMaxBytesDefault = 55 << 20

	readUncommitted int8 = 0
	readCommitted   int8 = 1
)

// fetchPart is one partition of a fetch: what was asked, and what will be answered.
type fetchPart struct {
	fetchKey
	asked kmsg.FetchRequestTopicPartition

	met       bool // a session has found it in the metadata before
	unread    bool // not in the metadata, or refused with the whole request: does not end the wait
	replica   *partition.Replica
	code      protocol.ErrorCode
	diverging kmsg.FetchResponseTopicPartitionDivergingEpoch
	upTo      int64 // the isolation level's end
	waiting   bool  // a Wait is with the partition

	highWatermark, lastStable, logStart int64
	slice                               *segment.Slice
	size                                int64 // of slice
	told                                bool  // belongs into the answer
}

// fetchCall is a Fetch under way.
type fetchCall struct {
	call     *Call
	req      *kmsg.FetchRequest
	use      sessionUse
	parts    []fetchPart
	maxBytes int64
	follower int32 // the replica id; negative for a consumer
	timer    actorsystem.Timer
	done     bool
}

// fetchOver is the end of a fetch's MaxWait.
type fetchOver struct{ f *fetchCall }

// Continue implements Continuation.
func (m fetchOver) Continue() { m.f.Expire() }

func fetch(c *Call) {
	req := c.Request.(*kmsg.FetchRequest)
	f := &fetchCall{call: c, req: req, maxBytes: fetchMaxBytesDefault}
	if limit := c.Broker.Settings.FetchMaxBytes; limit > 0 {
		f.maxBytes = int64(limit)
	}
	f.maxBytes = min(f.maxBytes, int64(req.MaxBytes))
	if rules := c.Broker.rules(); rules != nil {
		f.maxBytes = min(f.maxBytes, c.Broker.Quotas.FetchMax(rules, quota.Anonymous, c.ClientID))
	}
	if req.IsolationLevel != readUncommitted && req.IsolationLevel != readCommitted {
		f.refuse(protocol.ErrUnknownServerError)
		return
	}
	if f.follower = req.ReplicaID; c.Version >= 15 {
		f.follower = req.ReplicaState.ID
	}
	f.use, f.parts = c.Broker.Fetch.open(req, c.Broker.nowMs())
	if f.use.code != protocol.ErrNone {
		f.refuse(f.use.code)
		return
	}
	if f.enough(f.look()) {
		f.respond()
		return
	}
	f.wait()
}

// refuse answers the request as a whole; before v13 each partition says so too.
func (f *fetchCall) refuse(code protocol.ErrorCode) {
	f.use = sessionUse{}
	resp := kmsg.NewPtrFetchResponse()
	resp.ErrorCode = int16(code)
	if f.call.Version < 13 && code == protocol.ErrUnknownServerError {
		f.parts = requested(f.req)
		for i := range f.parts {
			f.parts[i].fail(code)
			f.parts[i].unread = true
		}
		f.fill(resp)
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				resp.Topics[i].Partitions[j].RecordBatches = []byte{}
			}
		}
	}
	f.call.Reply(resp)
}

func (p *fetchPart) fail(code protocol.ErrorCode) {
	p.code, p.highWatermark, p.lastStable, p.logStart = code, -1, -1, -1
	p.told = true
}

// look resolves every partition and estimates, without waiting, how many bytes could be answered; now says that the answer is due
// whatever that is.
func (f *fetchCall) look() (available int64, now bool) {
	image := f.call.Broker.Metadata.Load()
	var topic *controller.Topic
	known := 0
	for i := range f.parts {
		p := &f.parts[i]
		p.code, p.unread = protocol.ErrNone, false
		if f.call.Version >= 13 {
			if topic == nil || topic.ID != p.id {
				topic = image.TopicByID(p.id)
			}
		} else if topic == nil || topic.Name != p.topic {
			topic = image.Topic(p.topic)
		}
		switch {
		case topic == nil && f.call.Version >= 13 && !p.met:
			p.unread = true
			p.fail(protocol.ErrUnknownTopicID)
			continue
		case topic == nil, p.number < 0, int(p.number) >= len(topic.Partitions):
			p.unread = true
			p.fail(protocol.ErrUnknownTopicOrPartition)
			continue
		}
		known++
		p.met = true
		r, code := f.call.Broker.leading(topic, p.number, max(noEpoch, p.asked.CurrentLeaderEpoch))
		p.replica = r
		switch {
		case code != protocol.ErrNone:
		case f.follower >= 0:
			code = protocol.ErrNotLeaderForPartition
		case p.asked.PartitionMaxBytes < 0 || f.req.MaxBytes < 0:
			code = protocol.ErrUnknownServerError
		}
		if code == protocol.ErrNone {
			code = f.bounds(p)
		}
		if code != protocol.ErrNone {
			p.fail(code)
			now = true
			continue
		}
		if p.diverging.Epoch >= 0 {
			now = true
			continue
		}
		if want := min(int64(p.asked.PartitionMaxBytes), f.maxBytes-available); p.asked.FetchOffset < p.upTo {
			// A first batch larger than what is asked for is answered all the same: it is something.
			available += max(1, r.Reader().Available(p.asked.FetchOffset, max(1, want)))
		}
	}
	return available, now || known == 0
}

// bounds reads the replica's offsets and checks what was asked against them.
func (f *fetchCall) bounds(p *fetchPart) protocol.ErrorCode {
	b := p.replica.Reader().Bounds()
	p.highWatermark, p.lastStable, p.logStart = b.HighWatermark, b.LastStable, b.Start
	p.upTo = b.HighWatermark
	if f.req.IsolationLevel == readCommitted {
		p.upTo = b.LastStable
	}
	p.diverging.Default()
	if last := p.asked.LastFetchedEpoch; last >= 0 {
		epoch, end := epochEnd(p.replica, b, last)
		if epoch < 0 || last > p.replica.Leadership().Epoch {
			return protocol.ErrOffsetOutOfRange
		}
		if epoch < last || end < p.asked.FetchOffset {
			p.diverging.Epoch, p.diverging.EndOffset = epoch, end
			return protocol.ErrNone
		}
	}
	if p.asked.FetchOffset < b.Start || p.asked.FetchOffset > b.HighWatermark {
		return protocol.ErrOffsetOutOfRange
	}
	return protocol.ErrNone
}

func (f *fetchCall) enough(available int64, now bool) bool {
	return now || f.req.MaxWaitMillis <= 0 || available >= min(int64(f.req.MinBytes), f.maxBytes) || f.call.Draining()
}

// wait has every readable partition wake the call when there is more, and a timer when it has waited long enough.
func (f *fetchCall) wait() {
	system := f.call.Broker.System
	if f.timer == nil {
		ms := min(f.req.MaxWaitMillis, fetchMaxWaitMs)
		f.timer = system.SendAfter(time.Duration(ms)*time.Millisecond, f.call.Conn, fetchOver{f})
		f.call.OnExpire(f.call.Broker.nowMs()+2*fetchMaxWaitMs, true, f)
		f.call.OnGone(f.leave)
	}
	for i := range f.parts {
		if p := &f.parts[i]; !p.waiting && p.code == protocol.ErrNone {
			p.waiting = true
			system.Send(p.replica.PID, &partition.Wait{Offset: p.highWatermark, Reply: f.call.Conn, Sender: system, Token: f.token(i)})
		}
	}
}

// fetchToken tells a fetch which of its partitions an answer is about.
type fetchToken struct {
	f    *fetchCall
	part int
}

// token is comparable, so that a Cancel finds its Wait.
func (f *fetchCall) token(part int) fetchToken { return fetchToken{f, part} }

// Resume implements Resumer.
func (t fetchToken) Resume(answer any) {
	f := t.f
	f.parts[t.part].waiting = false
	if f.done {
		return
	}
	if woken := answer.(*partition.Woken); woken.Refused || f.enough(f.look()) {
		f.respond()
		return
	}
	f.wait()
}

// Expire implements Expirer.
func (f *fetchCall) Expire() {
	if !f.done {
		f.look()
		f.respond()
	}
}

// leave takes back what the call left with others.
func (f *fetchCall) leave() {
	f.done = true
	if f.timer != nil {
		f.timer.Stop()
	}
	for i := range f.parts {
		if p := &f.parts[i]; p.waiting {
			f.call.Broker.System.Send(p.replica.PID, &partition.Cancel{Reply: f.call.Conn, Token: f.token(i)})
		}
	}
}

// respond reads and answers: here if all that is to be read stands in memory, else in the writer.
func (f *fetchCall) respond() {
	f.leave()
	if f.read((*segment.Reader).TryRead) {
		f.answer()
		return
	}
	f.call.Blocking(func() {
		f.read(blockingRead)
		f.answer()
	})
}

// A readFunc reads, or says false if it would have to wait.
type readFunc func(r *segment.Reader, offset, upTo, maxBytes int64, minOneBatch bool) (*segment.Slice, bool, error)

func blockingRead(r *segment.Reader, offset, upTo, maxBytes int64, minOneBatch bool) (*segment.Slice, bool, error) {
	s, err := r.Read(offset, upTo, maxBytes, minOneBatch)
	return s, true, err
}

// read reads the partitions in order while there is room; false if one of them would have to wait, then nothing is held.
func (f *fetchCall) read(read readFunc) bool {
	room := f.maxBytes
	first := true // the first batch of all is answered whatever its size (KIP-74)
	for i := range f.parts {
		p := &f.parts[i]
		if p.code != protocol.ErrNone || p.diverging.Epoch >= 0 {
			continue
		}
		if code := f.bounds(p); code != protocol.ErrNone {
			p.fail(code)
			continue
		}
		limit := min(room, int64(max(0, p.asked.PartitionMaxBytes)))
		if p.diverging.Epoch >= 0 || p.asked.FetchOffset >= p.upTo || limit <= 0 && !first {
			continue
		}
		s, ok, err := read(p.replica.Reader(), p.asked.FetchOffset, p.upTo, limit, first)
		switch {
		case !ok:
			f.release()
			return false
		case errors.Is(err, segment.ErrOffsetOutOfRange):
			p.fail(protocol.ErrOffsetOutOfRange)
		case errors.Is(err, segment.ErrClosed):
			p.fail(protocol.ErrNotLeaderForPartition)
		case err != nil:
			f.call.Broker.Log.Error().Err(err).Str("topic", p.replica.Topic).Int32("partition", p.number).
				Int64("offset", p.asked.FetchOffset).Msg("cannot read a partition")
			p.fail(protocol.ErrKafkaStorageError)
		case s.Size > 0:
			p.slice, p.size = s, s.Size
			room -= s.Size
			first = false
		default:
			s.Release()
		}
	}
	return true
}

// release gives the slices back.
func (f *fetchCall) release() {
	for i := range f.parts {
		if p := &f.parts[i]; p.slice != nil {
			p.slice.Release()
			p.slice, p.size = nil, 0
		}
	}
}

// fetchPartBytes is about what a partition takes in an answer beside its records.
const fetchPartBytes = 48

// throttled counts the answer towards the quotas. If the client is to be throttled, it has been answered without any records, which keeps
// its session as it is; one that the request was to make is not made.
func (f *fetchCall) throttled() bool {
	f.call.ChargeTime()
	if rules := f.call.Broker.rules(); f.call.ThrottleMs == 0 && rules.Has(quota.Fetch) {
		bytes := int64(fetchPartBytes)
		for i := range f.parts {
			bytes += fetchPartBytes + f.parts[i].size
		}
		f.call.chargeFetch(rules, bytes)
	}
	if f.call.ThrottleMs == 0 {
		return false
	}
	f.release()
	resp := kmsg.NewPtrFetchResponse()
	if f.use.incremental {
		resp.SessionID = f.use.id
	} else {
		f.use.forget()
	}
	f.call.Reply(resp)
	return true
}

// answer encodes the frame around the slices.
func (f *fetchCall) answer() {
	if f.throttled() {
		return
	}
	f.use.told(f.parts)
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = f.call.Version
	resp.SessionID = f.use.id
	sizes := f.fill(resp)
	var plan protocol.FetchPlan
	if err := plan.Encode(f.call.CorrelationID, resp, sizes); err != nil {
		f.release()
		f.call.Close(err.Error())
		f.call.ReplyNothing()
		return
	}
	out := make([]segment.Part, 0, 4+2*len(plan.Cuts))
	from, cut := 0, 0
	for i := range f.parts {
		p := &f.parts[i]
		if !p.told {
			continue
		}
		if p.size > 0 {
			out = append(out, segment.Part{Bytes: plan.Head[from:plan.Cuts[cut]]})
			out = append(out, p.slice.Parts...)
			from = plan.Cuts[cut]
		}
		cut++
	}
	out = append(out, segment.Part{Bytes: plan.Head[from:]})
	f.call.ReplyStream(Stream{Parts: out, Release: f.release})
}

// fill adds the parts that are to be told, in order; a topic that comes again after another gets another entry, which clients accept.
// It returns the sizes of their records.
func (f *fetchCall) fill(resp *kmsg.FetchResponse) (sizes []int64) {
	sizes = make([]int64, 0, len(f.parts))
	var t *kmsg.FetchResponseTopic
	for i := range f.parts {
		p := &f.parts[i]
		if !p.told {
			continue
		}
		if t == nil || t.Topic != p.topic || t.TopicID != p.id {
			resp.Topics = append(resp.Topics, kmsg.FetchResponseTopic{Topic: p.topic, TopicID: p.id})
			t = &resp.Topics[len(resp.Topics)-1]
		}
		a := kmsg.NewFetchResponseTopicPartition()
		a.Partition, a.ErrorCode = p.number, int16(p.code)
		a.HighWatermark, a.LastStableOffset, a.LogStartOffset = p.highWatermark, p.lastStable, p.logStart
		if p.code == protocol.ErrNone {
			a.DivergingEpoch = p.diverging
			if f.req.IsolationLevel == readCommitted {
				a.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
			}
		} else if hint := leaderHint(p.replica, p.code); hint != nil && f.call.Version >= 16 {
			a.CurrentLeader.LeaderID, a.CurrentLeader.LeaderEpoch = hint.NodeID, hint.Epoch
			if f.follower < 0 {
				f.endpoint(resp, hint.NodeID)
			}
		}
		if p.unread { // as Kafka's answers for what it did not try to read
			a.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
		}
		t.Partitions = append(t.Partitions, a)
		sizes = append(sizes, p.size)
	}
	return sizes
}

func (f *fetchCall) endpoint(resp *kmsg.FetchResponse, node int32) {
	for i := range resp.Brokers {
		if resp.Brokers[i].NodeID == node {
			return
		}
	}
	if e, ok := f.call.Broker.endpoint(node); ok {
		resp.Brokers = append(resp.Brokers, kmsg.FetchResponseBroker{NodeID: e.NodeID, Host: e.Host, Port: e.Port, Rack: e.Rack})
	}
}
