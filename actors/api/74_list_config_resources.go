package api

import (
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
)

// ListConfigResources, v0-v1: what has configurations that can be described or altered.
//
//	v0     subscriptions to clients' metrics only (KIP-714; then named ListClientMetricsResources); Troupe has none
//	v1     any type of resource, all of them if none is named (KIP-1142)
//
// Groups are those that have configurations of their own, whether they exist or not. A type that has no list is UNSUPPORTED_VERSION for
// the whole request, as Kafka has it.
func init() { register(74, 0, 1, listConfigResources) }

// listedResources are the types that have a list.
var listedResources = []int8{int8(kmsg.ConfigResourceTypeTopic), int8(kmsg.ConfigResourceTypeBroker), int8(kmsg.ConfigResourceTypeBrokerLogger),
	int8(kmsg.ConfigResourceTypeClientMetrics), int8(kmsg.ConfigResourceTypeGroupConfig)}

func listConfigResources(c *Call) {
	req := c.Request.(*kmsg.ListConfigResourcesRequest)
	resp := kmsg.NewPtrListConfigResourcesResponse()
	wanted := make(map[int8]bool, len(listedResources))
	for _, kind := range req.ResourceTypes {
		if !slices.Contains(listedResources, kind) {
			resp.ErrorCode = kerr.UnsupportedVersion.Code
			c.Reply(resp)
			return
		}
		wanted[kind] = true
	}
	lists := func(kind kmsg.ConfigResourceType) bool {
		return c.Version > 0 && (len(wanted) == 0 || wanted[int8(kind)])
	}
	add := func(kind kmsg.ConfigResourceType, name string) {
		rr := kmsg.NewListConfigResourcesResponseConfigResource()
		rr.Name, rr.Type = name, int8(kind)
		resp.ConfigResources = append(resp.ConfigResources, rr)
	}
	image := c.Broker.Metadata.Load()
	if lists(kmsg.ConfigResourceTypeGroupConfig) {
		for _, name := range slices.Sorted(maps.Keys(image.GroupConfigs)) {
			add(kmsg.ConfigResourceTypeGroupConfig, name)
		}
	}
	for _, kind := range []kmsg.ConfigResourceType{kmsg.ConfigResourceTypeBrokerLogger, kmsg.ConfigResourceTypeBroker} {
		for i := range image.Brokers {
			if lists(kind) {
				add(kind, strconv.Itoa(int(image.Brokers[i].ID)))
			}
		}
	}
	if lists(kmsg.ConfigResourceTypeTopic) {
		image.Topics(func(t *controller.Topic) { add(kmsg.ConfigResourceTypeTopic, t.Name) })
	}
	c.Reply(resp)
}
