package serve

import (
	"strings"

	groups "github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/config"
)

// groupRules are the settings of groups of both protocols.
func groupRules(s *config.Settings) *groups.Config {
	rules := groups.DefaultConfig()
	rules.SessionTimeoutMinMs, rules.SessionTimeoutMaxMs = s.GroupMinSessionMs, s.GroupMaxSessionMs
	rules.InitialRebalanceDelayMs, rules.MaxSize = s.GroupInitialRebalanceDelayMs, int(s.GroupMaxSize)
	rules.OffsetMetadataMaxBytes = int(s.OffsetMetadataMaxBytes)
	rules.OffsetsRetentionMs, rules.RetentionCheckMs = s.OffsetsRetentionMinutes*60_000, s.OffsetsRetentionCheckMs
	rules.Consumer = groups.ConsumerConfig{SessionTimeoutMs: s.ConsumerSessionTimeoutMs,
		HeartbeatIntervalMs: s.ConsumerHeartbeatIntervalMs, AssignmentIntervalMs: s.ConsumerAssignmentIntervalMs}
	rules.ConsumerMaxSize, rules.ConsumerRegexRefreshMs = int(s.ConsumerMaxSize), s.ConsumerRegexRefreshMs
	rules.ConsumerAssignors = strings.Split(s.ConsumerAssignors, ",")
	rules.ConsumerMigration = map[string]groups.Migration{"disabled": groups.MigrationDisabled, "upgrade": groups.MigrationUpgrade,
		"downgrade": groups.MigrationDowngrade, "bidirectional": groups.MigrationBidirectional}[s.ConsumerMigrationPolicy]
	return &rules
}
