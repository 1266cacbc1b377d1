package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
)

// InitProducerId, v0-v5.
//
//	v2     flexible
//	v3     the id and epoch that a producer has (KIP-360)
//	v4     PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH
//	v5     TRANSACTION_ABORTABLE (KIP-890)
//
// Without a transactional id every request gets a new id with epoch 0, whatever id and epoch it has: an idempotent producer
// raises its epoch by itself. Transactions are not served: a transactional id is answered COORDINATOR_NOT_AVAILABLE, which
// agrees with FindCoordinator and is retriable.
func init() { register(22, 0, 5, initProducerID) }

func initProducerID(c *Call) {
	req := c.Request.(*kmsg.InitProducerIDRequest)
	refuse := func(code int16) {
		resp := kmsg.NewPtrInitProducerIDResponse()
		resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = code, -1, -1
		c.Reply(resp)
	}
	if c.Version < 3 {
		req.ProducerID, req.ProducerEpoch = -1, -1
	}
	switch {
	case (req.ProducerID == -1) != (req.ProducerEpoch == -1):
		refuse(kerr.InvalidRequest.Code)
	case req.TransactionalID == nil:
		c.Broker.System.Send(c.Broker.Controller, &controller.NextProducerID{Ask: controller.Ask{Done: func(a controller.Answer) {
			if a.Code != 0 {
				refuse(a.Code)
				return
			}
			resp := kmsg.NewPtrInitProducerIDResponse()
			resp.ProducerID, resp.ProducerEpoch = a.ProducerID, 0
			c.Reply(resp)
		}}})
	case *req.TransactionalID == "":
		refuse(kerr.InvalidRequest.Code)
	default:
		refuse(kerr.CoordinatorNotAvailable.Code)
	}
}
