package api

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func describe(t *testing.T, b *Broker, version int16, kind kmsg.ConfigResourceType, name string, names ...string) kmsg.DescribeConfigsResponseResource {
	t.Helper()
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms, req.IncludeDocumentation = true, true
	req.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kind, ResourceName: name, ConfigNames: names}}
	return ask[*kmsg.DescribeConfigsResponse](t, b, req, version).Resources[0]
}

func entry(t *testing.T, r kmsg.DescribeConfigsResponseResource, name string) kmsg.DescribeConfigsResponseResourceConfig {
	t.Helper()
	for _, e := range r.Configs {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("%s is not described: %+v", name, r)
	panic("unreachable")
}

func TestDescribeConfigsInEveryVersion(t *testing.T) {
	eachVersion(t, 32, func(t *testing.T, b *Broker, version int16) {
		makeTopic(t, b, "a", 1, "retention.ms", " 1000 ")
		r := describe(t, b, version, kmsg.ConfigResourceTypeTopic, "a")
		if r.ErrorCode != 0 || r.ErrorMessage == nil || *r.ErrorMessage != "" || len(r.Configs) != 17 {
			t.Fatalf("%+v", r)
		}
		e := entry(t, r, "retention.ms")
		if *e.Value != "1000" || e.Source != kmsg.ConfigSourceDynamicTopicConfig || e.ReadOnly || len(e.ConfigSynonyms) != 1 || *e.ConfigSynonyms[0].Value != "1000" {
			t.Errorf("retention.ms %+v", e)
		}
		if version >= 3 && (e.ConfigType != kmsg.ConfigTypeLong || e.Documentation == nil) {
			t.Errorf("retention.ms %+v", e)
		}
		e = entry(t, r, "segment.bytes")
		if *e.Value != "2097152" || e.Source != kmsg.ConfigSourceStaticBrokerConfig || len(e.ConfigSynonyms) != 2 || e.ConfigSynonyms[0].Name != "log.segment.bytes" {
			t.Errorf("segment.bytes %+v", e)
		}
		if e = entry(t, r, "min.insync.replicas"); e.Source != kmsg.ConfigSourceDynamicDefaultBrokerConfig {
			t.Errorf("min.insync.replicas %+v", e)
		}
		if e = entry(t, r, "segment.ms"); e.Source != kmsg.ConfigSourceDefaultConfig || len(e.ConfigSynonyms) != 0 || *e.Value != "604800000" {
			t.Errorf("segment.ms %+v", e)
		}
		r = describe(t, b, version, kmsg.ConfigResourceTypeBroker, "1")
		if e = entry(t, r, "log.dirs"); !e.ReadOnly || *e.Value != "/data" {
			t.Errorf("log.dirs %+v", e)
		}
		if e = entry(t, r, "password"); e.Value != nil || !e.IsSensitive {
			t.Errorf("password %+v", e)
		}
		if e = entry(t, r, "log.segment.bytes"); *e.Value != "2097152" || e.ReadOnly {
			t.Errorf("log.segment.bytes %+v", e)
		}
		r = describe(t, b, version, kmsg.ConfigResourceTypeBroker, "")
		if len(r.Configs) != 1 || r.Configs[0].Name != "min.insync.replicas" {
			t.Errorf("defaults %+v", r.Configs)
		}
		if r = describe(t, b, version, kmsg.ConfigResourceTypeTopic, "a", "retention.ms", "unknown"); len(r.Configs) != 1 {
			t.Errorf("by name %+v", r.Configs)
		}
	})
}

func TestDescribeConfigsOfWhatIsNotThere(t *testing.T) {
	b := newBroker(t)
	for _, c := range []struct {
		kind kmsg.ConfigResourceType
		name string
		code int16
	}{
		{kmsg.ConfigResourceTypeTopic, "missing", kerr.UnknownTopicOrPartition.Code},
		{kmsg.ConfigResourceTypeTopic, "", kerr.InvalidTopicException.Code},
		{kmsg.ConfigResourceTypeBroker, "2", kerr.InvalidRequest.Code},
		{kmsg.ConfigResourceTypeBroker, "x", kerr.InvalidRequest.Code},
		{kmsg.ConfigResourceTypeBrokerLogger, "1", 0},
		{kmsg.ConfigResourceTypeBrokerLogger, "", kerr.InvalidRequest.Code},
		{kmsg.ConfigResourceTypeClientMetrics, "m", 0},
		{kmsg.ConfigResourceTypeClientMetrics, "", kerr.InvalidRequest.Code},
		{kmsg.ConfigResourceTypeGroupConfig, "g", 0},
		{3, "x", kerr.InvalidRequest.Code},
	} {
		if r := describe(t, b, 4, c.kind, c.name); r.ErrorCode != c.code || len(r.Configs) != 0 {
			t.Errorf("%v %q: %+v", c.kind, c.name, r)
		}
	}
}

func TestAlterConfigsInEveryVersion(t *testing.T) {
	eachVersion(t, 33, func(t *testing.T, b *Broker, version int16) {
		makeTopic(t, b, "a", 1, "retention.ms", "1000", "segment.ms", "2000")
		alter := func(validateOnly bool, resources ...kmsg.AlterConfigsRequestResource) []kmsg.AlterConfigsResponseResource {
			req := kmsg.NewPtrAlterConfigsRequest()
			req.Resources, req.ValidateOnly = resources, validateOnly
			return ask[*kmsg.AlterConfigsResponse](t, b, req, version).Resources
		}
		topic := func(name string, configs ...kmsg.AlterConfigsRequestResourceConfig) kmsg.AlterConfigsRequestResource {
			return kmsg.AlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: name, Configs: configs}
		}
		set := func(name, value string) kmsg.AlterConfigsRequestResourceConfig {
			return kmsg.AlterConfigsRequestResourceConfig{Name: name, Value: &value}
		}
		if r := alter(true, topic("a", set("retention.ms", "5"))); r[0].ErrorCode != 0 || b.Metadata.Load().Topic("a").Config.RetentionMs != 1000 {
			t.Errorf("validate only: %+v", r)
		}
		r := alter(false, topic("a", set("retention.ms", "5")), topic("x"), topic("x"), topic("none", set("retention.ms", "5")))
		if r[0].ErrorCode != 0 || r[1].ErrorCode != kerr.InvalidRequest.Code || r[2].ErrorCode != kerr.InvalidRequest.Code || r[3].ErrorCode != kerr.UnknownTopicOrPartition.Code {
			t.Errorf("%+v", r)
		}
		if c := b.Metadata.Load().Topic("a").Config; c.RetentionMs != 5 || c.SegmentMs != 604800000 {
			t.Errorf("config %+v", c)
		}
		for _, c := range []struct {
			config kmsg.AlterConfigsRequestResourceConfig
			code   int16
		}{
			{set("retention.ms", "x"), kerr.InvalidConfig.Code}, {set("retention.ms", "-2"), kerr.InvalidConfig.Code}, {set("unknown", "1"), kerr.InvalidConfig.Code},
			{kmsg.AlterConfigsRequestResourceConfig{Name: "retention.ms"}, kerr.InvalidRequest.Code},
		} {
			if r := alter(false, topic("a", c.config)); r[0].ErrorCode != c.code || r[0].ErrorMessage == nil {
				t.Errorf("%+v: %+v", c.config, r)
			}
		}
		if r := alter(false, topic("a", set("retention.ms", "1"), set("retention.ms", "2"))); r[0].ErrorCode != kerr.InvalidRequest.Code {
			t.Errorf("doubled key: %+v", r)
		}
	})
}

func TestIncrementalAlterConfigsInEveryVersion(t *testing.T) {
	eachVersion(t, 44, func(t *testing.T, b *Broker, version int16) {
		makeTopic(t, b, "a", 1, "retention.ms", "1000")
		alter := func(kind kmsg.ConfigResourceType, name, key string, op kmsg.IncrementalAlterConfigOp, value *string) int16 {
			t.Helper()
			req := kmsg.NewPtrIncrementalAlterConfigsRequest()
			req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kind, ResourceName: name,
				Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: key, Op: op, Value: value}}}}
			return ask[*kmsg.IncrementalAlterConfigsResponse](t, b, req, version).Resources[0].ErrorCode
		}
		const (
			topic, broker = kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker
			set, del      = kmsg.IncrementalAlterConfigOpSet, kmsg.IncrementalAlterConfigOpDelete
			add, sub      = kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract
		)
		config := func() (retention int64, deletes bool) {
			c := b.Metadata.Load().Topic("a").Config
			return c.RetentionMs, c.CleanupDelete
		}
		for n, c := range []struct {
			kind      kmsg.ConfigResourceType
			name, key string
			op        kmsg.IncrementalAlterConfigOp
			value     *string
			code      int16
			retention int64
			deletes   bool
		}{
			{topic, "a", "retention.ms", set, ptr("77"), 0, 77, true},
			{topic, "a", "retention.ms", set, nil, kerr.InvalidRequest.Code, 77, true},
			{topic, "a", "retention.ms", add, ptr("1"), kerr.InvalidConfig.Code, 77, true},
			{topic, "a", "retention.ms", 9, ptr("1"), kerr.UnknownServerError.Code, 77, true},
			{topic, "a", "cleanup.policy", add, ptr(""), kerr.InvalidConfig.Code, 77, true},
			{topic, "a", "retention.ms", del, nil, 0, 604800000, true},
			{topic, "a", "cleanup.policy", sub, ptr("delete"), 0, 604800000, false},
			{topic, "a", "cleanup.policy", add, ptr("compact"), 0, 604800000, false},
			{topic, "a", "cleanup.policy", add, ptr("keep"), kerr.InvalidConfig.Code, 604800000, false},
			{topic, "a", "cleanup.policy", add, ptr("delete"), 0, 604800000, true},
			{topic, "x", "retention.ms", set, ptr("1"), kerr.UnknownTopicOrPartition.Code, 604800000, true},
			{broker, "", "log.retention.ms", set, ptr("500"), 0, 500, true},
			{broker, "1", "log.retention.ms", set, ptr("400"), 0, 400, true},
			{broker, "1", "log.retention.ms", set, ptr("0"), kerr.InvalidRequest.Code, 400, true},
			{broker, "2", "log.retention.ms", set, ptr("1"), kerr.InvalidRequest.Code, 400, true},
			{broker, "1", "log.retention.hours", set, ptr("1"), kerr.InvalidRequest.Code, 400, true},
			{broker, "1", "log.dirs", set, ptr("/x"), kerr.InvalidRequest.Code, 400, true},
			{broker, "1", "nobody.knows.this", set, ptr("1"), 0, 400, true},
			{broker, "1", "log.retention.ms", del, nil, 0, 500, true},
			{broker, "", "log.retention.ms", del, nil, 0, 604800000, true},
			{kmsg.ConfigResourceTypeGroupConfig, "g", "x", set, ptr("1"), kerr.InvalidConfig.Code, 604800000, true},
			{kmsg.ConfigResourceTypeBrokerLogger, "1", "x", set, ptr("1"), kerr.InvalidRequest.Code, 604800000, true},
		} {
			code := alter(c.kind, c.name, c.key, c.op, c.value)
			if retention, deletes := config(); code != c.code || retention != c.retention || deletes != c.deletes {
				t.Errorf("step %d, %s %s: code %d, retention %d, deletes %v; want %+v", n, c.name, c.key, code, retention, deletes, c)
			}
		}
		if e := entry(t, describe(t, b, 4, broker, "1"), "nobody.knows.this"); e.Value != nil || !e.IsSensitive {
			t.Errorf("%+v", e)
		}
	})
}
