package behaviour

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// alter sets, deletes, appends or subtracts one configuration and returns the error code.
func (b *broker) alter(t *testing.T, kind kmsg.ConfigResourceType, resource, name string, op kmsg.IncrementalAlterConfigOp, value string) int16 {
	t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	rr := kmsg.NewIncrementalAlterConfigsRequestResource()
	rr.ResourceType, rr.ResourceName = kind, resource
	rc := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	rc.Name, rc.Op, rc.Value = name, op, &value
	if op == kmsg.IncrementalAlterConfigOpDelete {
		rc.Value = nil
	}
	rr.Configs = append(rr.Configs, rc)
	req.Resources = append(req.Resources, rr)
	return ask(t, b, req, 1, kmsg.NewPtrIncrementalAlterConfigsResponse()).Resources[0].ErrorCode
}

// describe asks for the named configurations of a resource.
func (b *broker) describe(t *testing.T, kind kmsg.ConfigResourceType, resource string, names ...string) kmsg.DescribeConfigsResponseResource {
	t.Helper()
	req := kmsg.NewPtrDescribeConfigsRequest()
	rr := kmsg.NewDescribeConfigsRequestResource()
	rr.ResourceType, rr.ResourceName, rr.ConfigNames = kind, resource, names
	req.Resources = append(req.Resources, rr)
	return ask(t, b, req, 4, kmsg.NewPtrDescribeConfigsResponse()).Resources[0]
}

func testConfigs(t *testing.T, b *broker) {
	const topicKind, brokerKind = kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker
	const set, remove, subtract = kmsg.IncrementalAlterConfigOpSet, kmsg.IncrementalAlterConfigOpDelete, kmsg.IncrementalAlterConfigOpSubtract
	topic, _ := b.topic(t)
	t.Run("success has an empty message", func(t *testing.T) {
		if r := b.describe(t, topicKind, topic, "retention.ms"); r.ErrorMessage == nil || *r.ErrorMessage != "" || len(r.Configs) != 1 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("min.insync.replicas is a dynamic default", func(t *testing.T) {
		r := b.describe(t, topicKind, topic, "min.insync.replicas")
		if len(r.Configs) != 1 || *r.Configs[0].Value != "1" || r.Configs[0].Source != kmsg.ConfigSourceDynamicDefaultBrokerConfig {
			t.Errorf("%+v", r.Configs)
		}
	})
	t.Run("min.insync.replicas is not one broker's, and its default stays", func(t *testing.T) {
		wantCode(t, "of one broker", b.alter(t, brokerKind, "1", "min.insync.replicas", set, "1"), kerr.InvalidConfig.Code)
		wantCode(t, "removing the default", b.alter(t, brokerKind, "", "min.insync.replicas", remove, ""), kerr.InvalidConfig.Code)
	})
	t.Run("an unknown broker key is taken", func(t *testing.T) {
		wantCode(t, "set", b.alter(t, brokerKind, "1", "nobody.knows.me", set, "1"), 0)
		wantCode(t, "delete", b.alter(t, brokerKind, "1", "nobody.knows.me", remove, ""), 0)
	})
	t.Run("an unknown topic key is an invalid config", func(t *testing.T) {
		wantCode(t, "set", b.alter(t, topicKind, topic, "nobody.knows.me", set, "1"), kerr.InvalidConfig.Code)
	})
	t.Run("an invalid value of a topic is an invalid config, of a broker an invalid request", func(t *testing.T) {
		wantCode(t, "topic", b.alter(t, topicKind, topic, "retention.ms", set, "soon"), kerr.InvalidConfig.Code)
		wantCode(t, "broker", b.alter(t, brokerKind, "1", "log.retention.ms", set, "soon"), kerr.InvalidRequest.Code)
	})
	t.Run("subtracting the last entry leaves an empty cleanup.policy", func(t *testing.T) {
		wantCode(t, "subtract", b.alter(t, topicKind, topic, "cleanup.policy", subtract, "delete"), 0)
		if r := b.describe(t, topicKind, topic, "cleanup.policy"); len(r.Configs) != 1 || r.Configs[0].Value == nil || *r.Configs[0].Value != "" {
			t.Errorf("%+v", r.Configs)
		}
		b.mustProduce(t, topic, newBatch(1).bytes())
	})
	t.Run("a legacy alteration that names a resource twice is answered", func(t *testing.T) {
		if b.kafka {
			t.Skip("Kafka never answers; see docs/differences.md")
		}
		req := kmsg.NewPtrAlterConfigsRequest()
		value := "60000"
		for range 2 {
			rr := kmsg.NewAlterConfigsRequestResource()
			rr.ResourceType, rr.ResourceName = topicKind, topic
			rr.Configs = append(rr.Configs, kmsg.AlterConfigsRequestResourceConfig{Name: "retention.ms", Value: &value})
			req.Resources = append(req.Resources, rr)
		}
		for _, r := range ask(t, b, req, 2, kmsg.NewPtrAlterConfigsResponse()).Resources {
			wantCode(t, "AlterConfigs", r.ErrorCode, kerr.InvalidRequest.Code)
		}
	})
	t.Run("a legacy alteration replaces all", func(t *testing.T) {
		wantCode(t, "set", b.alter(t, topicKind, topic, "retention.bytes", set, "1000000"), 0)
		req := kmsg.NewPtrAlterConfigsRequest()
		value := "60000"
		rr := kmsg.NewAlterConfigsRequestResource()
		rr.ResourceType, rr.ResourceName = topicKind, topic
		rr.Configs = append(rr.Configs, kmsg.AlterConfigsRequestResourceConfig{Name: "retention.ms", Value: &value})
		req.Resources = append(req.Resources, rr)
		wantCode(t, "replace", ask(t, b, req, 2, kmsg.NewPtrAlterConfigsResponse()).Resources[0].ErrorCode, 0)
		r := b.describe(t, topicKind, topic, "retention.ms", "retention.bytes")
		for _, c := range r.Configs {
			if want := map[string]string{"retention.ms": "60000", "retention.bytes": "-1"}[c.Name]; *c.Value != want {
				t.Errorf("%s is %s, want %s", c.Name, *c.Value, want)
			}
		}
	})
}
