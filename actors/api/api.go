// Package api holds one file per Kafka API key: the versions it serves, what each changed, and its handler.
//
// A handler runs on its connection's actor (Core lane): it must not block. It answers with Call.Reply, now or later, from any
// actor. What must block (cold reads) goes through Call.Blocking.
package api

import (
	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/diskstate"
)

// Broker is what handlers may reach.
type Broker struct {
	System     *actorsystem.System
	Log        zerolog.Logger
	NodeID     int32
	Metadata   *controller.Holder
	Controller *actor.PID // takes controller's messages
	Replicas   *partition.Directory
	Disk       *diskstate.State
	Settings   Settings
	// LogDir is the absolute data directory (DescribeLogDirs).
	LogDir string
}

// Settings are the broker's own limits and defaults that handlers enforce.
type Settings struct {
	AutoCreateTopics  bool
	NumPartitions     int32
	ReplicationFactor int16
	FetchMaxBytes     int32 // fetch.max.bytes
	RequestMaxBytes   int32 // socket.request.max.bytes
	FetchSessionsMax  int   // max.incremental.fetch.session.cache.slots
	// Static describes the broker's configuration for DescribeConfigs: name → value, default?, read-only.
	Static []StaticConfig
}

// StaticConfig is one broker configuration as DescribeConfigs shows it.
type StaticConfig struct {
	Name, Value string
	Default     bool
	Sensitive   bool
	Type        kmsg.ConfigType
	Doc         string
}

// Call is one request being answered.
type Call struct {
	Broker   *Broker
	Key      int16
	Version  int16
	ClientID string
	// Software is what the client said of itself in ApiVersions, "" if nothing.
	Software, SoftwareVersion string
	ClientAddr                string
	Request                   kmsg.Request
	// Conn is the connection's actor: give it as Reply to other actors, with this Call as Token; answers that implement
	// Continuation are run there.
	Conn *actor.PID
	Responder
}

// Responder is the connection's side of a Call.
type Responder interface {
	// Reply answers with resp (its version is set here). Once; from any goroutine.
	Reply(resp kmsg.Response)
	// Close drops the connection without an answer, logging why once.
	Close(reason string)
	// Blocking runs f in the connection's own goroutine, in the request's turn; f may block and must Reply.
	Blocking(f func())
}

// Handler serves one API key.
type Handler func(c *Call)

// Route is a registered API.
type Route struct {
	Key, Min, Max int16
	Handle        Handler
}

var routes = map[int16]Route{}

// register is called from each API's file, the one place where its version range stands.
func register(key, minVersion, maxVersion int16, h Handler) {
	if _, twice := routes[key]; twice {
		panic("api: key registered twice")
	}
	routes[key] = Route{key, minVersion, maxVersion, h}
}

// Lookup finds the route for a key.
func Lookup(key int16) (Route, bool) { r, ok := routes[key]; return r, ok }
