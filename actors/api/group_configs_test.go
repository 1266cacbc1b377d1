package api

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/groupconfig"
)

// roomyLimits lets a heartbeat interval come near a session time-out, which Kafka's default limits do not.
func roomyLimits(b *Broker) {
	b.Settings.GroupConfigs = groupconfig.Default()
	for i := range b.Settings.GroupConfigs {
		b.Settings.GroupConfigs[i].Min, b.Settings.GroupConfigs[i].Max = 1, 100_000
	}
}

func TestAGroupsValuesAreCheckedTogetherOverSeveralRequests(t *testing.T) {
	const session, heartbeat = groupconfig.SessionTimeout, groupconfig.HeartbeatInterval
	const set, del = kmsg.IncrementalAlterConfigOpSet, kmsg.IncrementalAlterConfigOpDelete
	type change = kmsg.IncrementalAlterConfigsRequestResourceConfig
	b := newBroker(t)
	roomyLimits(b)
	for n, step := range []struct {
		changes []change
		code    int16
	}{
		{[]change{{Name: session, Op: set, Value: ptr("50000")}}, 0},
		{[]change{{Name: heartbeat, Op: set, Value: ptr("50000")}}, kerr.InvalidConfig.Code}, // above the default's session time-out, but not above the group's
		{[]change{{Name: heartbeat, Op: set, Value: ptr("49999")}}, 0},
		{[]change{{Name: session, Op: del}}, kerr.InvalidConfig.Code}, // 45000 would be left
		{[]change{{Name: session, Op: set, Value: ptr("49999")}}, kerr.InvalidConfig.Code},
		{[]change{{Name: session, Op: del}, {Name: heartbeat, Op: set, Value: ptr("44999")}}, 0},
		{[]change{{Name: heartbeat, Op: set, Value: ptr("45000")}}, kerr.InvalidConfig.Code},
		{[]change{{Name: heartbeat, Op: del}}, 0},
	} {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "g", Configs: step.changes}}
		if got := ask[*kmsg.IncrementalAlterConfigsResponse](t, b, req, 1).Resources[0]; got.ErrorCode != step.code {
			t.Errorf("step %d: error %d %v, want %d", n, got.ErrorCode, got.ErrorMessage, step.code)
		}
	}
	// AlterConfigs replaces all: what the group has does not count.
	replace := func(name, value string) int16 {
		req := kmsg.NewPtrAlterConfigsRequest()
		req.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "g",
			Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: name, Value: &value}}}}
		return ask[*kmsg.AlterConfigsResponse](t, b, req, 2).Resources[0].ErrorCode
	}
	if a, b := replace(session, "9000"), replace(heartbeat, "9000"); a != 0 || b != 0 {
		t.Errorf("replaced: errors %d and %d", a, b)
	}
}
