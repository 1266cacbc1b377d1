package brokerconfig

import (
	"testing"

	"github.com/troupe-io/troupe/actors/topicconfig"
)

func TestTheBrokersValueWinsOverThatOfAllAndOverTheStart(t *testing.T) {
	started := Config{MaxConnections: 10, CleanerBackoffMs: 20, ProducerIDExpiryMs: 30, CleanerBytesPerSecond: 40, AssignmentIntervalMs: 50}
	l := topicconfig.Layers{
		Cluster: map[string]string{MaxConnections: "11", CleanerBackoff: " 21 ", ProducerIDExpiry: "31"},
		Broker:  map[string]string{MaxConnections: "12", CleanerIO: "1e6", ProducerIDExpiry: "not a number"},
	}
	want := Config{MaxConnections: 12, CleanerBackoffMs: 21, ProducerIDExpiryMs: 31, CleanerBytesPerSecond: 1e6, AssignmentIntervalMs: 50}
	if got := Resolve(started, &l); *got != want {
		t.Errorf("%+v, want %+v", *got, want)
	}
	if got := Resolve(started, new(topicconfig.Layers)); *got != started {
		t.Errorf("%+v", *got)
	}
}

func TestEachKeyThatCountsChangesItsOwnField(t *testing.T) {
	seen := map[Config]string{}
	for _, k := range Keys() {
		c := *Resolve(Config{}, &topicconfig.Layers{Broker: map[string]string{k.Name: "2000000"}})
		if k.Max > 0 && k.Max < 2_000_000 {
			c = *Resolve(Config{}, &topicconfig.Layers{Broker: map[string]string{k.Name: "3"}})
		}
		if c == (Config{}) || seen[c] != "" {
			t.Errorf("%s has no effect of its own: %+v (%s)", k.Name, c, seen[c])
		}
		seen[c] = k.Name
		if Settable(k.Name) != nil || !k.Enforced() || Lookup(k.Name) == nil {
			t.Errorf("%s cannot be set", k.Name)
		}
	}
}

// The answers are those of an Apache Kafka 4.3.1, save where docs/differences.md says otherwise.
func TestWhatMayBeSet(t *testing.T) {
	for _, c := range []struct {
		name, value string
		good        bool
	}{
		{MaxConnections, "0", false}, {MaxConnections, " 5 ", true}, {MaxConnections, "2147483648", false}, {CleanerMapBytes, "1048576", false},
		{CleanerMapBytes, "1048577", true}, {CleanerMapBytes, "64MiB", false}, {CleanerIO, "-1", true}, {CleanerIO, "0", false}, {CleanerIO, "NaN", false},
		{CleanerIO, "Infinity", false}, {CleanerIO, "1.7976931348623157E308", true}, {AssignmentInterval, "15001", false}, {AssignmentInterval, "0", true},
		{"compression.gzip.level", "-1", true}, {"compression.gzip.level", "0", false}, {"unclean.leader.election.enable", "TRUE", true},
		{"unclean.leader.election.enable", "yes", false}, {"log.retention.ms", "0", false}, {"log.retention.ms", "-7", true}, {"log.retention.minutes", "5", false},
		{"log.segment.bytes", "1", false}, {"num.partitions", "3", false}, {"offsets.load.buffer.size", "1", false}, {"ssl.client.auth", "none", false},
		{"listener.name.x.max.connections", "5", false}, {"no.such.key", "whatever", true},
	} {
		err := Settable(c.name)
		if err == nil {
			err = Check(c.name, c.value)
		}
		if (err == nil) != c.good {
			t.Errorf("%s = %q: %v", c.name, c.value, err)
		}
	}
}

func TestNoNameIsOfTwoKinds(t *testing.T) {
	for name := range byName {
		if fixed[name] || absent[name] || topicconfig.LookupBroker(name) != nil {
			t.Errorf("%s can be set, and cannot", name)
		}
	}
	for name := range fixed {
		if k := topicconfig.LookupBroker(name); absent[name] || k != nil && k.BrokerName() == name {
			t.Errorf("%s is fixed, and is not", name)
		}
	}
	for name := range lists {
		if !fixed[name] && !absent[name] {
			t.Errorf("%s is a list of neither kind", name)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(CleanerIO, "1e6")
	f.Add(MaxConnections, " 5 ")
	f.Add("unclean.leader.election.enable", "TRUE")
	f.Fuzz(func(t *testing.T, name, value string) {
		if Check(name, value) != nil {
			return
		}
		if k := Lookup(name); k != nil {
			if again := k.Canonical(value); k.Check(again) != nil || k.Canonical(again) != again {
				t.Fatalf("%s=%q is shown as %q", name, value, again)
			}
		}
		Resolve(Config{}, &topicconfig.Layers{Broker: map[string]string{name: value}})
	})
}
