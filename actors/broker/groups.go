package broker

// This file owns how the broker's configuration becomes the rules of its group coordinators.

import (
	"github.com/troupe-io/troupe/actors/coordinator"
	"github.com/troupe-io/troupe/actors/coordinator/group"
)

// groupRules are the rules of the groups.
func (p *parts) groupRules() group.Config {
	rules := group.DefaultConfig()
	if p.cfg.Groups != nil {
		p.cfg.Groups(&rules)
	}
	rules.NewID = newUUID
	rules.Topics = coordinator.TopicsOf(p.metadata)
	return rules
}
