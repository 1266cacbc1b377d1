package controller

// This file owns the configurations of consumer groups. A group need not exist to have one.

import (
	"maps"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/actors/groupconfig"
)

const (
	// groupsConfiguredMax bounds how many groups have configurations of their own.
	groupsConfiguredMax = 10_000
	// groupNameBytesMax bounds a group's name here.
	groupNameBytesMax = 1024
)

func (s *state) alterGroup(change *ResourceChange, out *outcome) Result {
	own := s.groupConfigs[change.Name]
	next, r := change.over(own, func(string) string { return "" })
	if r.Code != 0 {
		return r
	}
	if err := groupconfig.CheckNames(next); err != nil {
		return refused(kerr.InvalidConfig, "%v", err)
	}
	switch {
	case maps.Equal(own, next):
		return Result{}
	case change.Name == "" || len(change.Name) > groupNameBytesMax:
		return refused(kerr.InvalidRequest, "a group's name has 1 to %d bytes", groupNameBytesMax)
	case own == nil && len(s.groupConfigs) >= groupsConfiguredMax:
		return refused(kerr.InvalidRequest, "%d groups have configurations of their own already; no more are kept", groupsConfiguredMax)
	}
	s.groupConfigs = maps.Clone(s.groupConfigs)
	if s.groupConfigs == nil {
		s.groupConfigs = map[string]map[string]string{}
	}
	s.groupConfigs[change.Name] = next
	if len(next) == 0 {
		delete(s.groupConfigs, change.Name)
	}
	out.changed = true
	return Result{}
}
