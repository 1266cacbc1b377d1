package brokerconfig

import (
	"fmt"
	"math"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/topicconfig"
)

// This file owns what becomes of a name: what Troupe has nothing to do with but keeps, since operators' tools set it on every Kafka, and
// what it refuses. Bounds are Kafka's; that a pool of threads may only be doubled or halved at a time is not checked, for there is none.

const (
	tInt    = kmsg.ConfigTypeInt
	tLong   = kmsg.ConfigTypeLong
	tDouble = kmsg.ConfigTypeDouble
)

func flag(name string) Key { return Key{Name: name, Type: kmsg.ConfigTypeBoolean} }

// kept are checked, kept and shown, and change nothing.
var kept = []Key{
	whole("background.threads", tInt, 1, nil),
	whole("compression.gzip.level", tInt, 1, nil).upTo(9).or(-1),
	whole("compression.lz4.level", tInt, 1, nil).upTo(17),
	whole("compression.zstd.level", tInt, -131072, nil).upTo(22),
	flag("follower.fetch.last.tiered.offset.enable"),
	whole("follower.replication.throttled.rate", tLong, 0, nil),
	whole("group.coordinator.cached.buffer.max.bytes", tInt, 512<<10, nil),
	whole("group.share.assignment.interval.ms", tInt, 0, nil).upTo(15_000),
	whole("group.streams.assignment.interval.ms", tInt, 0, nil).upTo(15_000),
	whole("leader.replication.throttled.rate", tLong, 0, nil),
	{Name: "log.cleaner.io.buffer.load.factor", Type: tDouble, Min: math.MinInt64},
	whole("log.cleaner.io.buffer.size", tInt, 0, nil),
	whole("log.cleaner.threads", tInt, 1, nil),
	whole("log.flush.interval.messages", tLong, 1, nil),
	whole("log.flush.interval.ms", tLong, math.MinInt64, nil),
	whole("log.index.size.max.bytes", tInt, 4, nil),
	whole("log.local.retention.bytes", tLong, -2, nil),
	whole("log.local.retention.ms", tLong, -2, nil),
	flag("log.preallocate"),
	whole("log.roll.jitter.ms", tLong, 0, nil),
	whole("num.io.threads", tInt, 1, nil),
	whole("num.network.threads", tInt, 1, nil),
	whole("num.recovery.threads.per.data.dir", tInt, 1, nil),
	whole("num.replica.fetchers", tInt, 1, nil),
	whole("remote.fetch.max.wait.ms", tInt, 1, nil),
	whole("remote.list.offsets.request.timeout.ms", tLong, 1, nil),
	whole("remote.log.index.file.cache.total.size.bytes", tLong, 1, nil),
	whole("remote.log.manager.copier.thread.pool.size", tInt, 1, nil),
	whole("remote.log.manager.copy.max.bytes.per.second", tLong, 1, nil),
	whole("remote.log.manager.expiration.thread.pool.size", tInt, 1, nil),
	whole("remote.log.manager.fetch.max.bytes.per.second", tLong, 1, nil),
	whole("remote.log.manager.follower.thread.pool.size", tInt, 1, nil),
	whole("remote.log.reader.threads", tInt, 1, nil),
	whole("replica.alter.log.dirs.io.max.bytes.per.second", tLong, 0, nil),
	whole("share.coordinator.cached.buffer.max.bytes", tInt, 512<<10, nil),
	flag("transaction.partition.verification.enable"),
	flag("unclean.leader.election.enable"),
}

// KeptDoc is what DescribeConfigs says of the kept ones.
const KeptDoc = "Kept for those who set it on every Kafka broker. Troupe has nothing that it would change."

// Settable says why a name cannot be set while the broker runs, or nil. A name that nobody knows can be: Kafka keeps it too.
func Settable(name string) error {
	k := topicconfig.LookupBroker(name)
	switch {
	case k != nil && k.BrokerName() != name:
		return fmt.Errorf("%s is read when the broker starts; %s can be set while it runs", name, k.BrokerName())
	case fixed[name]:
		return fmt.Errorf("%s is read when the broker starts; set it in the broker's own configuration", name)
	case absent[name], strings.HasPrefix(name, listenerPrefix):
		return fmt.Errorf("%s sets up what Troupe does not have; nothing would follow it", name)
	}
	return nil
}

// List says whether a name that Settable refuses is a list on a Kafka: then the name is what is wrong with adding to it, not the adding.
func List(name string) bool { return lists[name] }

// Check says why a value cannot be set, or nil.
func Check(name, value string) error {
	if k := byName[name]; k != nil {
		return k.Check(value)
	}
	if _, err := topicconfig.ValidateBroker(name, value); err != nil {
		return err
	}
	if name == "log.retention.ms" && topicconfig.Lookup("retention.ms").Canonical(value) == "0" { // Kafka takes 0 for a topic alone
		return &topicconfig.Error{Name: name, Value: value, Why: "allowed is 1 or more, or -1 for no limit"}
	}
	return nil
}
