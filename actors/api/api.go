// Package api holds one file per Kafka API key: the versions it serves, what each changed, and its handler.
//
// A handler runs on its connection's actor (Core lane): it must not block. It answers with Call.Reply, now or later, from any
// actor. What must block (cold reads) goes through Call.Blocking.
package api

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/coordinator"
	"github.com/troupe-io/troupe/actors/groupconfig"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/segment"
)

// Broker is what handlers may reach.
type Broker struct {
	System     *actorsystem.System
	Log        zerolog.Logger
	NodeID     int32
	Metadata   *controller.Holder
	Controller *actor.PID // takes controller's messages
	Replicas   *partition.Directory
	Groups     *coordinator.Directory // nil serves no groups
	Disk       *diskstate.State
	Frames     *protocol.FramePool
	Settings   Settings
	// LogDir is the absolute data directory (DescribeLogDirs).
	LogDir string
	// LogSpace is the size of the volume that LogDir lies on and what of it is free, bytes; it may block. Nil: not known.
	LogSpace func() (total, free int64, err error)
	// Fetch is the cache of fetch sessions (KIP-227); nil serves every fetch without one.
	Fetch *FetchSessions
}

// Settings are the broker's own limits and defaults that handlers enforce.
type Settings struct {
	AutoCreateTopics  bool
	NumPartitions     int32
	ReplicationFactor int16
	FetchMaxBytes     int32 // fetch.max.bytes
	// GroupTopicPartitions and GroupTopicReplicationFactor are how __consumer_offsets is made
	// (offsets.topic.num.partitions, offsets.topic.replication.factor).
	GroupTopicPartitions        int32
	GroupTopicReplicationFactor int16
	// GroupConfigs are the configurations that groups can have of their own.
	GroupConfigs groupconfig.Keys
	// CheckBroker refuses a value for a broker configuration that this machine cannot have; nil refuses none.
	CheckBroker func(name, value string) error
	// Static describes the configuration that the broker was started with, for DescribeConfigs.
	Static []StaticConfig
}

// StaticConfig is one broker configuration as DescribeConfigs shows it.
type StaticConfig struct {
	Name, Value string
	Default     bool
	Standard    string // the default; "" if there is none
	Sensitive   bool
	Type        kmsg.ConfigType
	Doc         string
}

// Call is one request being answered.
//
// Requests of one connection are handled in the order in which they came: a handler starts when everything before it has been
// answered, as on Kafka. Only Produce requests overlap, with each other, and those of a Route that Overlaps.
type Call struct {
	Broker  *Broker
	Key     int16
	Version int16
	// CorrelationID is the request's; only ReplyStream's frames need it.
	CorrelationID int32
	ClientID      string
	// Software is what the client said of itself in ApiVersions, "" if nothing.
	Software, SoftwareVersion string
	ClientAddr                string
	// Request is decoded; nil for Produce (Route.Read) and for an ApiVersions request of a version that is not served. It owns its
	// memory: nothing in it aliases the request's frame.
	Request kmsg.Request
	// Conn is the connection's actor: give it as Reply to other actors, with this Call as Token; answers that implement
	// Continuation are run there.
	Conn *actor.PID
	Responder
}

// Responder is the connection's side of a Call. Each call is answered once, by Reply, ReplyEncoded, ReplyStream or ReplyNothing; an
// answer after the first is an invariant failure, one to a connection that has closed meanwhile is dropped.
type Responder interface {
	// Reply answers with resp (its version is set here). From any goroutine.
	Reply(resp kmsg.Response)
	// ReplyEncoded answers with the body that e appends. From any goroutine; e is called later, on the connection's actor.
	ReplyEncoded(e Encoder)
	// ReplyStream answers with a frame (length and header included) of memory and file parts. Only within Blocking or on the connection's actor. The connection
	// owns b from now on, and releases it when it has been sent or the connection has closed.
	ReplyStream(b Stream)
	// ReplyNothing ends a call that has no answer (acks 0).
	ReplyNothing()
	// Close drops the connection without an answer, logging why once. From any goroutine.
	Close(reason string)
	// Blocking runs f in the connection's own goroutine, in the request's turn; f may block and must answer before it returns.
	// Only from the connection's actor.
	Blocking(f func())
	// Draining says that the broker shuts down: a call that waits for something to happen should be answered now.
	Draining() bool
	// Identify records what the client says of itself (ApiVersions): later Calls carry it.
	Identify(software, version string)
	// OnExpire has f called on the connection's actor at deadlineMs (unix ms; within the listener's coarse tick) unless the call is
	// answered by then; with drainToo also when the connection ends or the broker drains, for calls that wait for something to
	// happen. Before the call is handed over, or on the actor.
	OnExpire(deadlineMs int64, drainToo bool, f Expirer)
	// HandOver gives the call its place in the order of answers; a Route.Read calls it once, before its first message leaves.
	HandOver()
	// OnGone has f called on the connection's actor if the connection closes before the call is answered: to take back what
	// the call left with other actors. Before the call is handed over, or on the actor.
	OnGone(f func())
}

// Encoder appends a response body (no header) to dst.
type Encoder interface{ AppendTo(dst []byte) []byte }

// Expirer is a call that wants to be told when its time is over.
type Expirer interface{ Expire() }

// Stream is a response frame that is not one piece of memory.
type Stream struct {
	Parts   []segment.Part // in the order of the wire; the connection changes the slice as it goes
	Release func()         // gives the parts back; may be nil
}

// Continuation is an answer of another actor, sent to a Call's Conn: Continue runs there. Types outside this package implement it
// by carrying the Call (or a closure over it) in their Token.
type Continuation interface{ Continue() }

// Resumer is a Token of partition's messages: Resume runs on the connection's actor with the answer.
type Resumer interface{ Resume(answer any) }

// Resume hands an answer of another actor to the call that waits for it; it says whether message was one. The connection's actor
// calls it for every message that is not its own.
func Resume(message any) bool {
	switch m := message.(type) {
	case *partition.Produced:
		produced(m)
	case *partition.Woken:
		m.Token.(Resumer).Resume(m)
	case *partition.RecordsDeleted:
		m.Token.(Resumer).Resume(m)
	case *partition.ProducersDescribed:
		m.Token.(Resumer).Resume(m)
	case Continuation:
		m.Continue()
	default:
		return false
	}
	return true
}

// Handler serves one API key.
type Handler func(c *Call)

// Reader takes a request in its connection's reader goroutine, before its turn: frame.Bytes[body:] is the request's body. It owns one
// reference to frame. An error closes the connection.
type Reader func(c *Call, frame *protocol.Frame, body int) error

// Route is a registered API.
type Route struct {
	Key, Min, Max int16
	Handle        Handler
	// Read, if set, takes the place of decoding and Handle.
	Read Reader
	// Overlaps lets Handle start while requests of the same API before it on the connection wait for their answers. Only for
	// APIs whose handlers ask one actor, which then keeps the order, and that do not show what others of the kind have done.
	Overlaps bool
}

// Serves says whether the route serves a version.
func (r Route) Serves(version int16) bool { return version >= r.Min && version <= r.Max }

var routes = map[int16]Route{}

// register is called from each API's file, the one place where its version range stands.
func register(key, minVersion, maxVersion int16, h Handler) {
	registerRoute(Route{Key: key, Min: minVersion, Max: maxVersion, Handle: h})
}

func registerRoute(r Route) {
	if _, twice := routes[r.Key]; twice {
		panic("api: key registered twice")
	}
	routes[r.Key] = r
}

// Lookup finds the route for a key.
func Lookup(key int16) (Route, bool) { r, ok := routes[key]; return r, ok }

// Routes lists what is served, by key.
func Routes() []Route {
	all := make([]Route, 0, len(routes))
	for _, r := range routes {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Route) int { return int(a.Key) - int(b.Key) })
	return all
}

// nowMs is the broker's clock, unix milliseconds.
func (b *Broker) nowMs() int64 { return b.System.Clock().Now().UnixMilli() }
