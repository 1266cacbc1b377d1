package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeCluster, v0-v2: v1 asks for an endpoint type (only brokers are here, KIP-919), v2 may list fenced brokers (KIP-1073).
func init() { register(60, 0, 2, describeCluster) }

func describeCluster(c *Call) {
	const endpointBroker, endpointController = 1, 2
	req := c.Request.(*kmsg.DescribeClusterRequest)
	resp := kmsg.NewPtrDescribeClusterResponse()
	switch req.EndpointType {
	case endpointBroker:
	case endpointController:
		message := "this is an endpoint of a broker, not of a controller"
		resp.ErrorCode, resp.ErrorMessage = kerr.MismatchedEndpointType.Code, &message
		c.Reply(resp)
		return
	default:
		message := fmt.Sprintf("there is no endpoint type %d", req.EndpointType)
		resp.ErrorCode, resp.ErrorMessage = kerr.UnsupportedEndpointType.Code, &message
		c.Reply(resp)
		return
	}
	image := c.Broker.Metadata.Load()
	resp.ClusterID, resp.ControllerID = image.ClusterID, image.Controller
	for i := range image.Brokers {
		m := &image.Brokers[i]
		if m.Fenced && !req.IncludeFencedBrokers {
			continue
		}
		rb := kmsg.NewDescribeClusterResponseBroker()
		rb.NodeID, rb.Host, rb.Port, rb.Rack, rb.IsFenced = m.ID, m.Host, m.Port, rackOf(m), m.Fenced
		resp.Brokers = append(resp.Brokers, rb)
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = clusterOperations
	}
	c.Reply(resp)
}
