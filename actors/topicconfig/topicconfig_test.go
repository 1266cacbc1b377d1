package topicconfig

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestEveryDefaultIsAllowed(t *testing.T) {
	if err := Validate(map[string]string{}); err != nil {
		t.Fatal(err)
	}
	for _, k := range Keys() {
		if err := k.Check(k.Default); err != nil || k.Canonical(k.Default) != k.Default || k.Doc == "" || len(k.Broker) == 0 {
			t.Errorf("%s: %v", k.Name, err)
		}
		for _, s := range k.Broker {
			if LookupBroker(s.Name) == nil {
				t.Errorf("%s is no synonym", s.Name)
			}
		}
	}
	c := new(Layers).Resolve(nil)
	want := Config{RetentionMs: 604800000, RetentionBytes: -1, SegmentBytes: 1 << 30, SegmentMs: 604800000, MaxMessageBytes: 1048588,
		TimestampBeforeMs: 1<<63 - 1, TimestampAfterMs: 3600000, CompressionType: "producer", MinInsyncReplicas: 1, CleanupDelete: true,
		DeleteRetentionMs: 86400000, MaxCompactionLagMs: 1<<63 - 1, MinCleanableRatio: 0.5, IndexIntervalBytes: 4096, FileDeleteDelayMs: 60000}
	if *c != want {
		t.Errorf("%+v", *c)
	}
}

func TestValuesThatAreNotAllowedSayWhatIs(t *testing.T) {
	for _, c := range []struct{ name, value, says string }{
		{"flush.messages", "1", "allowed are cleanup.policy, compression.type"},
		{"retention.ms", "-2", "from -1 to 9223372036854775807"},
		{"retention.ms", "1h", "whole number"},
		{"retention.ms", "", "whole number"},
		{"segment.bytes", "100", "from 1048576 to 2147483647"},
		{"segment.bytes", "2147483648", "from 1048576 to 2147483647"},
		{"segment.ms", "0", "from 1"},
		{"min.insync.replicas", "0", "from 1"},
		{"message.timestamp.type", "createtime", "CreateTime, LogAppendTime"},
		{"compression.type", "none", "uncompressed, zstd, lz4, snappy, gzip, producer"},
		{"cleanup.policy", "keep", "list of compact, delete"},
		{"min.cleanable.dirty.ratio", "1.01", "from 0 to 1"},
		{"min.cleanable.dirty.ratio", "-0.1", "from 0 to 1"},
		{"min.cleanable.dirty.ratio", "NaN", "from 0 to 1"},
		{"min.cleanable.dirty.ratio", "half", "from 0 to 1"},
		{"min.cleanable.dirty.ratio", "1_0e-2", "from 0 to 1"},
		{"min.cleanable.dirty.ratio", "0.5ff", "from 0 to 1"},
		{"min.cleanable.dirty.ratio", "f", "from 0 to 1"},
		{"min.compaction.lag.ms", "-1", "from 0"},
		{"max.compaction.lag.ms", "0", "from 1"},
		{"max.message.bytes", strings.Repeat("1", ValueBytesMax+1), "at most"},
	} {
		err := Validate(map[string]string{"retention.bytes": "5", c.name: c.value})
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s=%.20s: %v", c.name, c.value, err)
		}
	}
}

func TestValuesThatAreAllowed(t *testing.T) {
	own := map[string]string{"retention.ms": " -1 ", "retention.bytes": "-5", "cleanup.policy": "", "compression.type": "zstd", "message.timestamp.type": "LogAppendTime",
		"max.message.bytes": "0", "segment.bytes": "1048576"}
	if err := Validate(own); err != nil {
		t.Fatal(err)
	}
	c := new(Layers).Resolve(own)
	if c.RetentionMs != -1 || c.RetentionBytes != -1 || c.CleanupDelete || c.CompressionType != "zstd" || !c.LogAppendTime || c.MaxMessageBytes != 0 || c.SegmentBytes != 1<<20 {
		t.Errorf("%+v", c)
	}
}

func TestCompactionSettings(t *testing.T) {
	own := map[string]string{"cleanup.policy": "compact, delete", "min.cleanable.dirty.ratio": " 0.25", "min.compaction.lag.ms": "5", "max.compaction.lag.ms": "5"}
	if err := Validate(own); err != nil {
		t.Fatal(err)
	}
	c := new(Layers).Resolve(own)
	if !c.CleanupCompact || !c.CleanupDelete || c.MinCleanableRatio != 0.25 || c.MinCompactionLagMs != 5 || c.MaxCompactionLagMs != 5 {
		t.Errorf("%+v", c)
	}
	own["max.compaction.lag.ms"] = "4"
	if err := Validate(own); err == nil || !strings.Contains(err.Error(), "min.compaction.lag.ms=5: it is above max.compaction.lag.ms=4") {
		t.Errorf("a least lag above the largest: %v", err)
	}
	k := Lookup("min.cleanable.dirty.ratio")
	for value, want := range map[string]string{"1": "1.0", "0": "0.0", ".5": "0.5", "0.5f": "0.5", "1.D": "1.0", "0.0001": "1.0E-4", "0.00012": "1.2E-4", "0.001": "0.001"} {
		if got := k.Canonical(value); got != want {
			t.Errorf("%s is shown as %s, want %s", value, got, want)
		}
	}
	l := Layers{Static: map[string]string{"log.cleanup.policy": "compact", "log.cleaner.min.cleanable.ratio": "0.1"}}
	if c := l.Resolve(nil); !c.CleanupCompact || c.CleanupDelete || c.MinCleanableRatio != 0.1 {
		t.Errorf("the broker's defaults are not taken: %+v", c)
	}
}

func TestTheMoreSpecificLayerWins(t *testing.T) {
	l := Layers{
		Static:  map[string]string{"log.retention.hours": "1", "log.retention.minutes": "2", "log.segment.bytes": "3000000"},
		Cluster: map[string]string{"log.segment.bytes": "4000000", "min.insync.replicas": "2"},
		Broker:  map[string]string{"min.insync.replicas": "3"},
	}
	c := l.Resolve(map[string]string{"segment.ms": "9"})
	if c.RetentionMs != 120_000 || c.SegmentBytes != 4_000_000 || c.MinInsyncReplicas != 3 || c.SegmentMs != 9 {
		t.Errorf("%+v", c)
	}
	for _, e := range l.Describe(map[string]string{"segment.ms": "9"}) {
		want := map[string]kmsg.ConfigSource{"segment.ms": kmsg.ConfigSourceDynamicTopicConfig, "min.insync.replicas": kmsg.ConfigSourceDynamicBrokerConfig,
			"segment.bytes": kmsg.ConfigSourceDynamicDefaultBrokerConfig}[e.Name]
		if want == 0 {
			want = kmsg.ConfigSourceDefaultConfig
		}
		if e.Source != want {
			t.Errorf("%s has source %v, want %v", e.Name, e.Source, want)
		}
		if e.Name == "min.insync.replicas" && len(e.Synonyms) != 3 {
			t.Errorf("synonyms %+v", e.Synonyms)
		}
	}
}

func TestSynonymsBeginWithTheBrokersOwnName(t *testing.T) {
	l := Layers{Static: map[string]string{"log.retention.minutes": "6000"}}
	of := func() (topic, broker Entry) {
		for _, e := range l.Describe(nil) {
			if e.Name == "retention.ms" {
				topic = e
			}
		}
		for _, e := range l.DescribeBroker() {
			if e.Name == "log.retention.ms" {
				broker = e
			}
		}
		return topic, broker
	}
	if topic, _ := of(); topic.Value != "360000000" || topic.Source != kmsg.ConfigSourceDefaultConfig || len(topic.Synonyms) != 0 {
		t.Errorf("%+v", topic)
	}
	l.Broker, l.Cluster = map[string]string{"log.retention.ms": " -2 "}, map[string]string{"log.retention.ms": "500000"}
	topic, broker := of()
	if topic.Value != "-1" || broker.Value != "-2" || broker.Source != kmsg.ConfigSourceDynamicBrokerConfig || l.Resolve(nil).RetentionMs != -1 {
		t.Errorf("%+v, %+v", topic, broker)
	}
	want := []Value{{"log.retention.ms", " -2 ", kmsg.ConfigSourceDynamicBrokerConfig}, {"log.retention.ms", "500000", kmsg.ConfigSourceDynamicDefaultBrokerConfig},
		{"log.retention.minutes", "6000", kmsg.ConfigSourceStaticBrokerConfig}, {"log.retention.hours", "168", kmsg.ConfigSourceDefaultConfig}}
	if !slices.Equal(topic.Synonyms, want) || !slices.Equal(broker.Synonyms, want) {
		t.Errorf("%+v", topic.Synonyms)
	}
}

func TestNumbersWithAFractionAreWrittenAsJavaDoes(t *testing.T) {
	for v, want := range map[float64]string{0: "0.0", 419430400: "4.194304E8", 1e6: "1000000.0", -1: "-1.0", 1e7: "1.0E7", 0.001: "0.001", 1.5e-7: "1.5E-7"} {
		if got := JavaDouble(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}

func TestBrokerValuesAreCheckedInTheirOwnUnit(t *testing.T) {
	for _, c := range []struct {
		name, value string
		known, good bool
	}{
		{"log.retention.hours", "9223372036854775807", true, true}, {"log.retention.hours", "-1", true, true}, {"log.retention.hours", "-2", true, false},
		{"log.segment.bytes", "1", true, false}, {"message.max.bytes", "7", true, true}, {"retention.ms", "1", false, true},
	} {
		if known, err := ValidateBroker(c.name, c.value); known != c.known || (err == nil) != c.good {
			t.Errorf("%+v: %v, %v", c, known, err)
		}
	}
	l := Layers{Static: map[string]string{"log.retention.hours": "9223372036854775807"}}
	if c := l.Resolve(nil); c.RetentionMs != 1<<63-1 {
		t.Errorf("retention %d", c.RetentionMs)
	}
}

func TestListsTakeAndLoseWords(t *testing.T) {
	for _, c := range []struct {
		current, change string
		add             bool
		want            string
	}{
		{"delete", "delete", true, "delete"}, {"", "delete", true, "delete"}, {"delete", "delete", false, ""}, {"a, b,c", "b,x", false, "a,c"}, {"a", "b,c,b", true, "a,b,c"},
	} {
		if got := IncrementalList(c.current, c.change, c.add); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func FuzzValidate(f *testing.F) {
	f.Add("retention.ms", "5")
	f.Add("cleanup.policy", "delete, delete")
	f.Add("log.retention.hours", "9")
	f.Fuzz(func(t *testing.T, name, value string) {
		own := map[string]string{name: value}
		if Validate(own) == nil {
			k := Lookup(name)
			if again := k.Canonical(value); k.Check(again) != nil || k.Canonical(again) != again {
				t.Fatalf("%s=%q is shown as %q", name, value, again)
			}
			new(Layers).Resolve(own)
		}
		if known, err := ValidateBroker(name, value); known && err == nil {
			l := Layers{Static: own}
			l.Resolve(nil)
		}
	})
}
