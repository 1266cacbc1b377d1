package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeCluster: every version, endpoint types, authorized operations.
func init() {
	versions(0, 2, func(c *C, v int16) { c.ask(v, kmsg.NewPtrDescribeClusterRequest()) })
	for _, v := range []int16{0, 1, 2} {
		add(fmt.Sprintf("authorized operations, v%d", v), func(c *C) {
			req := kmsg.NewPtrDescribeClusterRequest()
			req.IncludeClusterAuthorizedOperations = true
			c.ask(v, req)
		})
	}
	for _, kind := range []int8{0, 2, 3, -1} {
		for _, v := range []int16{1, 2} {
			add(fmt.Sprintf("endpoint type %d, v%d", kind, v), func(c *C) {
				req := kmsg.NewPtrDescribeClusterRequest()
				req.EndpointType = kind
				c.ask(v, req)
			})
		}
	}
	add("fenced brokers", func(c *C) {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.IncludeFencedBrokers = true
		c.ask(2, req)
	})
}
