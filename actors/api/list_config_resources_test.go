package api

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/groupconfig"
)

func TestListConfigResourcesInEveryVersion(t *testing.T) {
	eachVersion(t, 74, func(t *testing.T, b *Broker, version int16) {
		roomyLimits(b)
		makeTopic(t, b, "a", 1)
		alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
		alter.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "g",
			Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: groupconfig.SessionTimeout, Value: ptr("50000")}}}}
		if code := ask[*kmsg.IncrementalAlterConfigsResponse](t, b, alter, 1).Resources[0].ErrorCode; code != 0 {
			t.Fatal(code)
		}
		list := func(types ...int8) (string, int16) {
			req := kmsg.NewPtrListConfigResourcesRequest()
			req.ResourceTypes = types
			resp := ask[*kmsg.ListConfigResourcesResponse](t, b, req, version)
			names := ""
			for _, r := range resp.ConfigResources {
				names += kmsg.ConfigResourceType(r.Type).String() + ":" + r.Name + " "
			}
			return names, resp.ErrorCode
		}
		if version == 0 {
			if names, code := list(); names != "" || code != 0 {
				t.Errorf("%q, error %d", names, code)
			}
			return
		}
		if names, code := list(); names != "GROUP_CONFIG:g BROKER_LOGGER:1 BROKER:1 TOPIC:a " || code != 0 {
			t.Errorf("%q, error %d", names, code)
		}
		if names, code := list(2, 2, 16); names != "TOPIC:a " || code != 0 {
			t.Errorf("topics: %q, error %d", names, code)
		}
		if names, code := list(2, 64); names != "" || code != kerr.UnsupportedVersion.Code {
			t.Errorf("a type that is none: %q, error %d", names, code)
		}
	})
}
