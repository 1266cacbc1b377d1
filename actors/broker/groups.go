package broker

// This file owns how the broker's configuration becomes the rules of its group coordinators.

import (
	"github.com/troupe-io/troupe/actors/coordinator"
	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/actors/groupconfig"
)

// groupRules are the rules of the groups.
func (p *parts) groupRules() group.Config {
	rules := group.DefaultConfig()
	if p.cfg.Groups != nil {
		p.cfg.Groups(&rules)
	}
	rules.NewID = newUUID
	rules.Topics = coordinator.TopicsOf(p.metadata)
	rules.ConsumerOf = coordinator.ConfigOf(p.metadata)
	return rules
}

// groupConfigs are the configurations that groups can have of their own.
func (p *parts) groupConfigs() groupconfig.Keys {
	if p.cfg.GroupConfigs != nil {
		return p.cfg.GroupConfigs
	}
	return groupconfig.Default()
}
