package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeLogDirs: every version, sizes, and partitions that are not there.
func init() {
	dirs := func(t topic, partitions ...int32) *kmsg.DescribeLogDirsRequest {
		req := kmsg.NewPtrDescribeLogDirsRequest()
		req.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: t.name, Partitions: partitions}}
		return req
	}
	versions(1, 5, func(c *C, v int16) {
		t := c.topicOf("topic", 2)
		c.produce(t, c.batch(3).bytes())
		c.ask(v, dirs(t, 0, 1))
		c.say("all")
		all := dirs(t)
		all.Topics = nil
		c.ask(v, all, func(resp kmsg.Response) {
			for i := range resp.(*kmsg.DescribeLogDirsResponse).Dirs {
				d := &resp.(*kmsg.DescribeLogDirsResponse).Dirs[i]
				var mine []kmsg.DescribeLogDirsResponseDirTopic
				for _, rt := range d.Topics {
					if c.shown.names[rt.Topic] != "" {
						mine = append(mine, rt)
					}
				}
				d.Topics = mine
			}
		})
	})
	for _, v := range []int16{1, 4} {
		add(fmt.Sprintf("unknown topic, v%d", v), func(c *C) { c.ask(v, dirs(topic{name: c.name("none")}, 0)) })
		add(fmt.Sprintf("unknown partitions, v%d", v), func(c *C) { c.ask(v, dirs(c.topic(), 0, 1, -1)) })
		add(fmt.Sprintf("no topics, v%d", v), func(c *C) {
			req := dirs(topic{})
			req.Topics = []kmsg.DescribeLogDirsRequestTopic{}
			c.ask(v, req)
		})
	}
	add("partition twice", func(c *C) { c.ask(4, dirs(c.topic(), 0, 0)) })
	add("no partitions", func(c *C) { c.ask(4, dirs(c.topic())) })
	add("invalid topic", func(c *C) { c.ask(4, dirs(topic{name: "a/b"}, 0)) })
	add("empty topic", func(c *C) { c.ask(4, dirs(topic{}, 0)) })
}
