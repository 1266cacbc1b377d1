package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ApiVersions: every version, the ranges of the APIs, names of software that are allowed, and versions that are too new. What Kafka
// serves and Troupe does not is not compared.
func init() {
	served := []int16{0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 32, 33, 35, 37, 42, 44, 47, 60, 61, 68, 69, 75}
	only := func(resp kmsg.Response) {
		r := resp.(*kmsg.ApiVersionsResponse)
		var mine []kmsg.ApiVersionsResponseApiKey
		for _, k := range r.ApiKeys {
			for _, key := range served {
				if k.ApiKey == key {
					mine = append(mine, k)
				}
			}
		}
		r.ApiKeys, r.FinalizedFeaturesEpoch, r.SupportedFeatures, r.FinalizedFeatures = mine, 0, nil, nil
	}
	software := func(name, version string) *kmsg.ApiVersionsRequest {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = name, version
		return req
	}
	versions(0, 4, func(c *C, v int16) { c.ask(v, software("sem", "1.0"), only) })
	for _, v := range []int16{3, 4} {
		add(fmt.Sprintf("features, v%d", v), func(c *C) {
			c.ask(v, software("sem", "1"), func(resp kmsg.Response) {
				r := resp.(*kmsg.ApiVersionsResponse)
				r.ApiKeys, r.FinalizedFeaturesEpoch = nil, 0
			})
		})
	}
	for _, w := range [][2]string{{"", ""}, {"sem", ""}, {"", "1"}, {"-", "1"}, {"a-b.c", "1-2.3"}, {"a b", "1"}, {"sem", "1_0"}, {"sem-", "1"}, {".sem", "1"}, {"ü", "1"}, {"a", "b"}} {
		add(fmt.Sprintf("software %q version %q", w[0], w[1]), func(c *C) {
			c.ask(3, software(w[0], w[1]), only)
			c.alive()
		})
	}
	for _, v := range []int16{5, 6, 100, 32767, -1} {
		add(fmt.Sprintf("version %d", v), func(c *C) {
			c.raw(18, v, []byte{0xff, 0xff, 0}, []byte{2, 'x', 2, 'y', 0})
			req := kmsg.NewPtrApiVersionsRequest()
			req.SetVersion(0)
			c.answer(req)
			c.alive()
		})
	}
	add("twice on a connection", func(c *C) {
		c.ask(3, software("sem", "1"), only)
		c.ask(0, software("", ""), only)
		c.ask(2, software("", ""), only)
	})
}
