package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// InitProducerId without a transactional id: every version, and ids and epochs that do not fit. Transactions are not served yet.
func init() {
	versions(0, 5, func(c *C, v int16) { c.ask(v, newInitProducerID()) })
	for _, w := range []struct {
		id    int64
		epoch int16
	}{{-1, 0}, {5, -1}, {5, 0}, {5, 32767}, {-2, -1}, {-1, -2}, {-2, -2}, {1 << 40, 3}} {
		for _, v := range []int16{3, 5} {
			add(fmt.Sprintf("id %d, epoch %d, v%d", w.id, w.epoch, v), func(c *C) {
				req := newInitProducerID()
				req.ProducerID, req.ProducerEpoch = w.id, w.epoch
				c.ask(v, req)
			})
		}
	}
	add("timeout 0", func(c *C) { req := newInitProducerID(); req.TransactionTimeoutMillis = 0; c.ask(5, req) })
	add("timeout -1", func(c *C) { req := newInitProducerID(); req.TransactionTimeoutMillis = -1; c.ask(5, req) })
	add("two are different", func(c *C) {
		a := do[*kmsg.InitProducerIDResponse](c, 4, newInitProducerID())
		b := do[*kmsg.InitProducerIDResponse](c, 4, newInitProducerID())
		c.say("%v", a.ProducerID != b.ProducerID)
	})
	add("empty transactional id", func(c *C) { req := newInitProducerID(); req.TransactionalID = ptr(""); c.ask(4, req) })
}
