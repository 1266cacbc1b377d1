package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FindCoordinator: every version, every type, and keys that cannot be.
func init() {
	find := func(kind int8, keys ...string) *kmsg.FindCoordinatorRequest {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorType, req.CoordinatorKeys = kind, keys
		if len(keys) > 0 {
			req.CoordinatorKey = keys[0]
		}
		return req
	}
	versions(0, 6, func(c *C, v int16) { c.ask(v, find(0, c.name("group"))) })
	for _, v := range []int16{1, 4, 6} {
		for _, kind := range []int8{-1, 1, 2, 3, 127} {
			add(fmt.Sprintf("type %d, v%d", kind, v), func(c *C) { c.ask(v, find(kind, c.name("key"))) })
		}
	}
	for _, v := range []int16{0, 3, 4, 6} {
		add(fmt.Sprintf("empty key, v%d", v), func(c *C) { c.ask(v, find(0, "")) })
		if v > 0 {
			add(fmt.Sprintf("empty transactional id, v%d", v), func(c *C) { c.ask(v, find(1, "")) })
		}
	}
	add("no keys", func(c *C) { c.ask(4, find(0)) })
	add("several keys", func(c *C) { c.ask(4, find(0, c.name("a"), c.name("b"), "")) })
	add("key twice", func(c *C) { a := c.name("a"); c.ask(4, find(0, a, a)) })
	for _, key := range []string{"group", "group:topic:0", "group:AAAAAAAAAAAAAAAAAAAAAQ:x", "::", ""} {
		add(fmt.Sprintf("share partition key %q", key), func(c *C) { c.ask(6, find(2, key)) })
	}
}
