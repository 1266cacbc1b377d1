package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The kinds of change; v0 has none.
const (
	upgrade         = 1
	safeDowngrade   = 2
	unsafeDowngrade = 3
)

func updateFeature(name string, level int16, kind int8) *kmsg.UpdateFeaturesRequest {
	req := kmsg.NewPtrUpdateFeaturesRequest()
	req.TimeoutMillis = 10_000
	req.FeatureUpdates = []kmsg.UpdateFeaturesRequestFeatureUpdate{{Feature: name, MaxVersionLevel: level, UpgradeType: kind}}
	return req
}

// UpdateFeatures: every version, levels that are in force and that cannot be, kinds of change, one bad among good ones. No case changes
// a level, since all others go by them: what could is a dry run.
func init() {
	versions(0, 2, func(c *C, v int16) { c.ask(v, updateFeature("group.version", 1, upgrade)) })
	for v := int16(0); v <= 2; v++ {
		for _, level := range []int16{2, -1, 100, 32767} {
			add(fmt.Sprintf("level %d, v%d", level, v), func(c *C) { c.ask(v, updateFeature("group.version", level, upgrade)) })
		}
		add(fmt.Sprintf("no updates, v%d", v), func(c *C) { c.ask(v, kmsg.NewPtrUpdateFeaturesRequest()) })
		add(fmt.Sprintf("unknown feature, v%d", v), func(c *C) { c.ask(v, updateFeature("sem.version", 1, upgrade)) })
		add(fmt.Sprintf("unknown feature, level 0, v%d", v), func(c *C) { c.ask(v, updateFeature("sem.version", 0, upgrade)) })
		add(fmt.Sprintf("empty name, v%d", v), func(c *C) { c.ask(v, updateFeature("", 1, upgrade)) })
		add(fmt.Sprintf("level 0 as an upgrade, v%d", v), func(c *C) { c.ask(v, updateFeature("group.version", 0, upgrade)) })
		add(fmt.Sprintf("one bad among good ones, v%d", v), func(c *C) {
			req := updateFeature("group.version", 1, upgrade)
			req.FeatureUpdates = append(req.FeatureUpdates, updateFeature("sem.version", 3, upgrade).FeatureUpdates...)
			c.ask(v, req)
		})
		add(fmt.Sprintf("feature twice, v%d", v), func(c *C) {
			req := updateFeature("group.version", 1, upgrade)
			req.FeatureUpdates = append(req.FeatureUpdates, req.FeatureUpdates...)
			c.ask(v, req)
		})
		add(fmt.Sprintf("metadata.version 0, v%d", v), func(c *C) { c.ask(v, updateFeature("metadata.version", 0, upgrade)) })
		add(fmt.Sprintf("metadata.version 1000, v%d", v), func(c *C) { c.ask(v, updateFeature("metadata.version", 1000, upgrade)) })
		for _, ms := range []int32{0, -1} {
			add(fmt.Sprintf("time-out %d, v%d", ms, v), func(c *C) {
				req := updateFeature("group.version", 1, upgrade)
				req.TimeoutMillis = ms
				c.ask(v, req)
			})
		}
	}
	add("v0 may go down, to the same level", func(c *C) {
		req := updateFeature("group.version", 1, upgrade)
		req.FeatureUpdates[0].AllowDowngrade = true
		c.ask(0, req)
	})
	for _, v := range []int16{1, 2} {
		for _, kind := range []int8{0, safeDowngrade, unsafeDowngrade, 4, -1} {
			add(fmt.Sprintf("the level in force, change %d, v%d", kind, v), func(c *C) { c.ask(v, updateFeature("group.version", 1, kind)) })
			add(fmt.Sprintf("a level too high, change %d, v%d", kind, v), func(c *C) { c.ask(v, updateFeature("group.version", 2, kind)) })
		}
		dry := func(c *C, name string, level int16, kind int8) {
			req := updateFeature(name, level, kind)
			req.ValidateOnly = true
			c.ask(v, req)
		}
		add(fmt.Sprintf("dry run, v%d", v), func(c *C) { dry(c, "group.version", 1, upgrade) })
		add(fmt.Sprintf("dry run of a level too high, v%d", v), func(c *C) { dry(c, "group.version", 2, upgrade) })
		add(fmt.Sprintf("dry run to level 0, v%d", v), func(c *C) { dry(c, "group.version", 0, upgrade) })
		add(fmt.Sprintf("dry run to level 0, safely, v%d", v), func(c *C) { dry(c, "group.version", 0, safeDowngrade) })
		add(fmt.Sprintf("dry run to level 0, unsafely, v%d", v), func(c *C) { dry(c, "group.version", 0, unsafeDowngrade) })
		add(fmt.Sprintf("dry run of metadata.version 7, safely, v%d", v), func(c *C) { dry(c, "metadata.version", 7, safeDowngrade) })
		add(fmt.Sprintf("dry run of metadata.version 7, unsafely, v%d", v), func(c *C) { dry(c, "metadata.version", 7, unsafeDowngrade) })
		add(fmt.Sprintf("dry run of kraft.version 1, v%d", v), func(c *C) { dry(c, "kraft.version", 1, upgrade) })
		add(fmt.Sprintf("dry run of an unknown feature, v%d", v), func(c *C) { dry(c, "sem.version", 1, upgrade) })
	}
}
