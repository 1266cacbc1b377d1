package serve

import (
	"strings"

	groups "github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/actors/groupconfig"
	"github.com/troupe-io/troupe/config"
)

// groupRules sets the rules of groups that settings change.
func groupRules(s *config.Settings) func(*groups.Config) {
	policy := map[string]groups.Migration{"disabled": groups.MigrationDisabled, "upgrade": groups.MigrationUpgrade,
		"downgrade": groups.MigrationDowngrade, "bidirectional": groups.MigrationBidirectional}[s.ConsumerMigrationPolicy]
	return func(c *groups.Config) {
		c.InitialRebalanceDelayMs, c.MaxSize = s.GroupInitialRebalanceDelayMs, int(s.GroupMaxSize)
		c.SessionTimeoutMinMs, c.SessionTimeoutMaxMs = s.GroupMinSessionMs, s.GroupMaxSessionMs
		c.OffsetMetadataMaxBytes = int(s.OffsetMetadataMaxBytes)
		c.OffsetsRetentionMs, c.RetentionCheckMs = s.OffsetsRetentionMinutes*60_000, s.OffsetsRetentionCheckMs
		c.Consumer = groups.ConsumerConfig{SessionTimeoutMs: s.ConsumerSessionTimeoutMs,
			HeartbeatIntervalMs: s.ConsumerHeartbeatIntervalMs, AssignmentIntervalMs: s.ConsumerAssignmentIntervalMs}
		c.ConsumerMaxSize, c.ConsumerRegexRefreshMs = int(s.ConsumerMaxSize), s.ConsumerRegexRefreshMs
		c.ConsumerAssignors, c.ConsumerMigration = strings.Split(s.ConsumerAssignors, ","), policy
	}
}

// groupConfigs are the configurations that consumer groups can have of their own, within the limits of the settings.
func groupConfigs(s *config.Settings) groupconfig.Keys {
	keys := groupconfig.Default()
	set := func(name string, value, least, most int32) {
		k := keys.Lookup(name)
		k.IsDefault = k.Default == value
		k.Default, k.Min, k.Max = value, least, most
	}
	set(groupconfig.SessionTimeout, s.ConsumerSessionTimeoutMs, s.ConsumerMinSessionTimeoutMs, s.ConsumerMaxSessionTimeoutMs)
	set(groupconfig.HeartbeatInterval, s.ConsumerHeartbeatIntervalMs, s.ConsumerMinHeartbeatIntervalMs, s.ConsumerMaxHeartbeatIntervalMs)
	set(groupconfig.AssignmentInterval, s.ConsumerAssignmentIntervalMs, 0, keys.Lookup(groupconfig.AssignmentInterval).Max)
	return keys
}
