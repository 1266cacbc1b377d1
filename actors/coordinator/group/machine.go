package group

// This file owns the Machine: its configuration, its groups, and what it hands out. Invariants:
//
//   - every waiter given to a request gets exactly one Reply;
//   - Appends are handed out in the order in which their records must stand in the log;
//   - Appended is called once for every Append handed out, unless Unload came first.

import (
	"sort"

	"github.com/troupe-io/troupe/actors/coordinator/assignor"
	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/protocol"
)

// Config is what the broker decides. Times are milliseconds.
type Config struct {
	SessionTimeoutMinMs     int32 // group.min.session.timeout.ms
	SessionTimeoutMaxMs     int32 // group.max.session.timeout.ms
	InitialRebalanceDelayMs int32 // group.initial.rebalance.delay.ms
	NewMemberJoinTimeoutMs  int64 // how long a member that never had an answer may wait for one
	MaxSize                 int   // group.max.size
	OffsetMetadataMaxBytes  int   // offset.metadata.max.bytes
	OffsetsRetentionMs      int64 // offsets.retention.minutes
	RetentionCheckMs        int64 // offsets.retention.check.interval.ms
	// NewID makes the random part of a member id: a UUID in its usual form.
	NewID func() string

	Consumer               ConsumerConfig // group.consumer.*: what a group can have of its own
	ConsumerMaxSize        int            // group.consumer.max.size
	ConsumerRegexRefreshMs int64          // group.consumer.regex.refresh.interval.ms
	ConsumerAssignors      []string       // group.consumer.assignors: the first is the default
	ConsumerMigration      Migration      // group.consumer.migration.policy
	// ConsumerOf is the configuration of one group, of which the broker's is given; nil gives every group the broker's.
	ConsumerOf func(group string, broker ConsumerConfig) ConsumerConfig
	// Topics is the newest state of the cluster's topics; nil is none.
	Topics func() Topics
}

// DefaultConfig is Kafka's defaults; NewID is left out.
func DefaultConfig() Config {
	return Config{
		SessionTimeoutMinMs: 6_000, SessionTimeoutMaxMs: 1_800_000, InitialRebalanceDelayMs: 3_000,
		NewMemberJoinTimeoutMs: 300_000, MaxSize: 1<<31 - 1, OffsetMetadataMaxBytes: 4096,
		OffsetsRetentionMs: 7 * 24 * 3600 * 1000, RetentionCheckMs: 600_000,
		Consumer:        ConsumerConfig{SessionTimeoutMs: 45_000, HeartbeatIntervalMs: 5_000, AssignmentIntervalMs: 1_000},
		ConsumerMaxSize: 1<<31 - 1, ConsumerRegexRefreshMs: 600_000, ConsumerMigration: MigrationBidirectional,
		ConsumerAssignors: []string{assignor.UniformName, assignor.RangeName},
	}
}

// Client is who sent a request.
type Client struct {
	ID   string
	Host string // as Kafka shows it: "/127.0.0.1"
}

// Waiter names who waits for an answer; it comes back in the Reply. It must be comparable, and not nil.
type Waiter any

// Reply is an answer to be sent.
type Reply struct {
	To Waiter
	// Response is the answer of the request's own type, without a version: a kmsg.Response, or for requests that a handler
	// splits by group one of *kmsg.OffsetFetchResponseGroup, *kmsg.DescribeGroupsResponseGroup,
	// *kmsg.DeleteGroupsResponseGroup, []kmsg.ListGroupsResponseGroup.
	Response any
}

// Append is records that must be appended in this order, and after those of the Append before. They alias the Machine's
// buffer and are valid until the next call of the Machine.
type Append struct {
	ID      uint64
	Records []record.Record
}

// Machine is the state of one coordinator. Not safe for concurrent use.
type Machine struct {
	cfg    Config
	nowMs  int64
	groups map[string]*Group
	timers timers

	replies  []Reply
	appends  []Append
	arena    []byte // the bytes of appends
	inflight map[uint64]*inflight
	nextID   uint64

	retention timer
	regexWork int                // what matching of expressions this Tick may still do
	closed    protocol.ErrorCode // what requests hear after Unload
}

// inflight is an Append whose fate is not known yet.
type inflight struct {
	group *Group
	// done runs when the fate is known: what applies the records, and what answers. after is who waited for it without having
	// written (reads that must be stable); it runs when done has.
	done  func(err protocol.ErrorCode)
	after []func(err protocol.ErrorCode)
}

// Group is everything under one group id. A group without classic state is not there for clients;
// it keeps offsets between a tombstone and the records that follow it in the log.
type Group struct {
	id      string
	classic *classic
	// consumer is the group's state if it is one of KIP-848; then classic is nil.
	consumer   *consumer
	converting bool                        // from the one to the other: see consumer_convert.go
	offsets    map[string]map[int32]offset // topic, partition
	appends    int                         // in flight
	last       uint64                      // id of the last one in flight
}

// New makes a Machine without groups, loading: feed it Replay, then Loaded.
func New(cfg Config) *Machine {
	m := &Machine{cfg: cfg, groups: map[string]*Group{}, inflight: map[uint64]*inflight{}}
	m.retention.fire = m.expireOffsets
	return m
}

// Replies hands out the answers due, in order; the slice is valid until the next call of the Machine.
func (m *Machine) Replies() []Reply {
	r := m.replies
	m.replies = m.replies[:0]
	return r
}

// Appends hands out the records due, in order; valid until the next call of the Machine.
func (m *Machine) Appends() []Append {
	a := m.appends
	m.appends, m.arena = m.appends[:0], m.arena[:0]
	return a
}

// Appended tells the fate of an Append: ErrNone when it is committed, or the error with which the partition refused it.
func (m *Machine) Appended(nowMs int64, id uint64, err protocol.ErrorCode) {
	m.nowMs = nowMs
	p := m.inflight[id]
	invariant.Check(p != nil, "append %d is told twice or was never asked for", id)
	delete(m.inflight, id)
	p.group.appends--
	p.done(err)
	for _, f := range p.after {
		f(err)
	}
	m.forgetIfNothing(p.group)
}

// NextDeadline is when Tick has something to do, ms; ok is false if there is nothing to wait for.
func (m *Machine) NextDeadline() (ms int64, ok bool) { return m.timers.next() }

// Tick fires every timer that is due at nowMs.
func (m *Machine) Tick(nowMs int64) {
	m.nowMs, m.regexWork = nowMs, regexWorkMax
	m.timers.fire(nowMs)
}

// Groups counts the groups that clients can see.
func (m *Machine) Groups() int {
	n := 0
	for _, g := range m.groups {
		if g.exists() {
			n++
		}
	}
	return n
}

func (m *Machine) reply(to Waiter, response any) { m.replies = append(m.replies, Reply{to, response}) }

// lookup finds a group that clients can see, or nil.
func (m *Machine) lookup(id string) *Group {
	if g := m.groups[id]; g != nil && g.exists() {
		return g
	}
	return nil
}

// entry finds or makes the holder of a group id.
func (m *Machine) entry(id string) *Group {
	g := m.groups[id]
	if g == nil {
		g = &Group{id: string([]byte(id))}
		m.groups[g.id] = g
	}
	return g
}

func (g *Group) exists() bool { return g.classic != nil || g.consumer != nil }

// forgetIfNothing drops a holder that holds nothing.
func (m *Machine) forgetIfNothing(g *Group) {
	if !g.exists() && len(g.offsets) == 0 && g.appends == 0 && m.groups[g.id] == g {
		delete(m.groups, g.id)
	}
}

// sorted lists the groups by id.
func (m *Machine) sorted() []*Group {
	list := make([]*Group, 0, len(m.groups))
	for _, g := range m.groups {
		list = append(list, g)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].id < list[j].id })
	return list
}

// batch collects the records of one Append.
type batch struct {
	m       *Machine
	records []record.Record
}

func (m *Machine) batch() *batch { return &batch{m: m} }

// put adds a record whose value write appends.
func (b *batch) put(k *record.Key, write func(dst []byte) []byte) {
	key := b.key(k)
	m := b.m
	at := len(m.arena)
	m.arena = write(m.arena)
	b.records = append(b.records, record.Record{Key: key, Value: m.arena[at:len(m.arena):len(m.arena)]})
}

// tombstone adds the end of what k names.
func (b *batch) tombstone(k *record.Key) {
	b.records = append(b.records, record.Record{Key: b.key(k)})
}

func (b *batch) key(k *record.Key) []byte {
	m := b.m
	at := len(m.arena)
	m.arena = record.AppendKey(m.arena, k)
	return m.arena[at:len(m.arena):len(m.arena)]
}

// append hands the batch out; done runs when its fate is known. With no records done runs at once.
func (b *batch) append(g *Group, done func(err protocol.ErrorCode)) {
	if len(b.records) == 0 {
		done(protocol.ErrNone)
		return
	}
	m := b.m
	m.nextID++
	g.appends++
	g.last = m.nextID
	m.inflight[m.nextID] = &inflight{group: g, done: done}
	m.appends = append(m.appends, Append{ID: m.nextID, Records: b.records})
}

// afterAppends runs f with the fate of the last of the records that g has in flight now, when it is known; at once if there
// are none.
func (m *Machine) afterAppends(g *Group, f func(err protocol.ErrorCode)) {
	if g.appends == 0 {
		f(protocol.ErrNone)
		return
	}
	p := m.inflight[g.last]
	p.after = append(p.after, f)
}

// responseError is what a client hears when the append of its group's records failed with err.
func responseError(err protocol.ErrorCode) protocol.ErrorCode {
	switch err {
	case protocol.ErrUnknownTopicOrPartition, protocol.ErrNotEnoughReplicas, protocol.ErrRequestTimedOut:
		return protocol.ErrCoordinatorNotAvailable
	case protocol.ErrNotLeaderForPartition, protocol.ErrKafkaStorageError:
		return protocol.ErrNotCoordinator
	case protocol.ErrMessageTooLarge, protocol.ErrRecordListTooLarge, protocol.ErrInvalidFetchSize:
		return protocol.ErrUnknownServerError
	}
	return err
}
