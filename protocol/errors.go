package protocol

// This file owns Kafka's error codes (Kafka protocol guide, "Error Codes").

import "strconv"

// ErrorCode is a Kafka error code as it stands on the wire.
type ErrorCode int16

// The error codes by Kafka's names.
const (
	ErrNone                                   ErrorCode = 0
	ErrUnknownServerError                     ErrorCode = -1
	ErrOffsetOutOfRange                       ErrorCode = 1
	ErrCorruptMessage                         ErrorCode = 2
	ErrUnknownTopicOrPartition                ErrorCode = 3
	ErrInvalidFetchSize                       ErrorCode = 4
	ErrLeaderNotAvailable                     ErrorCode = 5
	ErrNotLeaderForPartition                  ErrorCode = 6
	ErrRequestTimedOut                        ErrorCode = 7
	ErrBrokerNotAvailable                     ErrorCode = 8
	ErrReplicaNotAvailable                    ErrorCode = 9
	ErrMessageTooLarge                        ErrorCode = 10
	ErrStaleControllerEpoch                   ErrorCode = 11
	ErrOffsetMetadataTooLarge                 ErrorCode = 12
	ErrNetworkException                       ErrorCode = 13
	ErrCoordinatorLoadInProgress              ErrorCode = 14
	ErrCoordinatorNotAvailable                ErrorCode = 15
	ErrNotCoordinator                         ErrorCode = 16
	ErrInvalidTopicException                  ErrorCode = 17
	ErrRecordListTooLarge                     ErrorCode = 18
	ErrNotEnoughReplicas                      ErrorCode = 19
	ErrNotEnoughReplicasAfterAppend           ErrorCode = 20
	ErrInvalidRequiredAcks                    ErrorCode = 21
	ErrIllegalGeneration                      ErrorCode = 22
	ErrInconsistentGroupProtocol              ErrorCode = 23
	ErrInvalidGroupID                         ErrorCode = 24
	ErrUnknownMemberID                        ErrorCode = 25
	ErrInvalidSessionTimeout                  ErrorCode = 26
	ErrRebalanceInProgress                    ErrorCode = 27
	ErrInvalidCommitOffsetSize                ErrorCode = 28
	ErrTopicAuthorizationFailed               ErrorCode = 29
	ErrGroupAuthorizationFailed               ErrorCode = 30
	ErrClusterAuthorizationFailed             ErrorCode = 31
	ErrInvalidTimestamp                       ErrorCode = 32
	ErrUnsupportedSASLMechanism               ErrorCode = 33
	ErrIllegalSASLState                       ErrorCode = 34
	ErrUnsupportedVersion                     ErrorCode = 35
	ErrTopicAlreadyExists                     ErrorCode = 36
	ErrInvalidPartitions                      ErrorCode = 37
	ErrInvalidReplicationFactor               ErrorCode = 38
	ErrInvalidReplicaAssignment               ErrorCode = 39
	ErrInvalidConfig                          ErrorCode = 40
	ErrNotController                          ErrorCode = 41
	ErrInvalidRequest                         ErrorCode = 42
	ErrUnsupportedForMessageFormat            ErrorCode = 43
	ErrPolicyViolation                        ErrorCode = 44
	ErrOutOfOrderSequenceNumber               ErrorCode = 45
	ErrDuplicateSequenceNumber                ErrorCode = 46
	ErrInvalidProducerEpoch                   ErrorCode = 47
	ErrInvalidTxnState                        ErrorCode = 48
	ErrInvalidProducerIDMapping               ErrorCode = 49
	ErrInvalidTransactionTimeout              ErrorCode = 50
	ErrConcurrentTransactions                 ErrorCode = 51
	ErrTransactionCoordinatorFenced           ErrorCode = 52
	ErrTransactionalIDAuthorizationFailed     ErrorCode = 53
	ErrSecurityDisabled                       ErrorCode = 54
	ErrOperationNotAttempted                  ErrorCode = 55
	ErrKafkaStorageError                      ErrorCode = 56
	ErrLogDirNotFound                         ErrorCode = 57
	ErrSASLAuthenticationFailed               ErrorCode = 58
	ErrUnknownProducerID                      ErrorCode = 59
	ErrReassignmentInProgress                 ErrorCode = 60
	ErrDelegationTokenAuthDisabled            ErrorCode = 61
	ErrDelegationTokenNotFound                ErrorCode = 62
	ErrDelegationTokenOwnerMismatch           ErrorCode = 63
	ErrDelegationTokenRequestNotAllowed       ErrorCode = 64
	ErrDelegationTokenAuthorizationFailed     ErrorCode = 65
	ErrDelegationTokenExpired                 ErrorCode = 66
	ErrInvalidPrincipalType                   ErrorCode = 67
	ErrNonEmptyGroup                          ErrorCode = 68
	ErrGroupIDNotFound                        ErrorCode = 69
	ErrFetchSessionIDNotFound                 ErrorCode = 70
	ErrInvalidFetchSessionEpoch               ErrorCode = 71
	ErrListenerNotFound                       ErrorCode = 72
	ErrTopicDeletionDisabled                  ErrorCode = 73
	ErrFencedLeaderEpoch                      ErrorCode = 74
	ErrUnknownLeaderEpoch                     ErrorCode = 75
	ErrUnsupportedCompressionType             ErrorCode = 76
	ErrStaleBrokerEpoch                       ErrorCode = 77
	ErrOffsetNotAvailable                     ErrorCode = 78
	ErrMemberIDRequired                       ErrorCode = 79
	ErrPreferredLeaderNotAvailable            ErrorCode = 80
	ErrGroupMaxSizeReached                    ErrorCode = 81
	ErrFencedInstanceID                       ErrorCode = 82
	ErrEligibleLeadersNotAvailable            ErrorCode = 83
	ErrElectionNotNeeded                      ErrorCode = 84
	ErrNoReassignmentInProgress               ErrorCode = 85
	ErrGroupSubscribedToTopic                 ErrorCode = 86
	ErrInvalidRecord                          ErrorCode = 87
	ErrUnstableOffsetCommit                   ErrorCode = 88
	ErrThrottlingQuotaExceeded                ErrorCode = 89
	ErrProducerFenced                         ErrorCode = 90
	ErrResourceNotFound                       ErrorCode = 91
	ErrDuplicateResource                      ErrorCode = 92
	ErrUnacceptableCredential                 ErrorCode = 93
	ErrInconsistentVoterSet                   ErrorCode = 94
	ErrInvalidUpdateVersion                   ErrorCode = 95
	ErrFeatureUpdateFailed                    ErrorCode = 96
	ErrPrincipalDeserializationFailure        ErrorCode = 97
	ErrSnapshotNotFound                       ErrorCode = 98
	ErrPositionOutOfRange                     ErrorCode = 99
	ErrUnknownTopicID                         ErrorCode = 100
	ErrDuplicateBrokerRegistration            ErrorCode = 101
	ErrBrokerIDNotRegistered                  ErrorCode = 102
	ErrInconsistentTopicID                    ErrorCode = 103
	ErrInconsistentClusterID                  ErrorCode = 104
	ErrTransactionalIDNotFound                ErrorCode = 105
	ErrFetchSessionTopicIDError               ErrorCode = 106
	ErrIneligibleReplica                      ErrorCode = 107
	ErrNewLeaderElected                       ErrorCode = 108
	ErrOffsetMovedToTieredStorage             ErrorCode = 109
	ErrFencedMemberEpoch                      ErrorCode = 110
	ErrUnreleasedInstanceID                   ErrorCode = 111
	ErrUnsupportedAssignor                    ErrorCode = 112
	ErrStaleMemberEpoch                       ErrorCode = 113
	ErrMismatchedEndpointType                 ErrorCode = 114
	ErrUnsupportedEndpointType                ErrorCode = 115
	ErrUnknownControllerID                    ErrorCode = 116
	ErrUnknownSubscriptionID                  ErrorCode = 117
	ErrTelemetryTooLarge                      ErrorCode = 118
	ErrInvalidRegistration                    ErrorCode = 119
	ErrTransactionAbortable                   ErrorCode = 120
	ErrInvalidRecordState                     ErrorCode = 121
	ErrShareSessionNotFound                   ErrorCode = 122
	ErrInvalidShareSessionEpoch               ErrorCode = 123
	ErrFencedStateEpoch                       ErrorCode = 124
	ErrInvalidVoterKey                        ErrorCode = 125
	ErrDuplicateVoter                         ErrorCode = 126
	ErrVoterNotFound                          ErrorCode = 127
	ErrInvalidRegularExpression               ErrorCode = 128
	ErrRebootstrapRequired                    ErrorCode = 129
	ErrStreamsInvalidTopology                 ErrorCode = 130
	ErrStreamsInvalidTopologyEpoch            ErrorCode = 131
	ErrStreamsTopologyFenced                  ErrorCode = 132
	ErrShareSessionLimitReached               ErrorCode = 133
	ErrGroupDeletionFailed                    ErrorCode = 134
	ErrStreamsTopologyDescriptionUpdateFailed ErrorCode = 135
	ErrControllerIDNotRegistered              ErrorCode = 136
)

// errorNames has Kafka's name for each code, and whether a client may simply try again.
var errorNames = map[ErrorCode]struct {
	name      string
	retriable bool
}{
	ErrNone:                                   {"NONE", false},
	ErrUnknownServerError:                     {"UNKNOWN_SERVER_ERROR", false},
	ErrOffsetOutOfRange:                       {"OFFSET_OUT_OF_RANGE", false},
	ErrCorruptMessage:                         {"CORRUPT_MESSAGE", true},
	ErrUnknownTopicOrPartition:                {"UNKNOWN_TOPIC_OR_PARTITION", true},
	ErrInvalidFetchSize:                       {"INVALID_FETCH_SIZE", false},
	ErrLeaderNotAvailable:                     {"LEADER_NOT_AVAILABLE", true},
	ErrNotLeaderForPartition:                  {"NOT_LEADER_FOR_PARTITION", true},
	ErrRequestTimedOut:                        {"REQUEST_TIMED_OUT", true},
	ErrBrokerNotAvailable:                     {"BROKER_NOT_AVAILABLE", true},
	ErrReplicaNotAvailable:                    {"REPLICA_NOT_AVAILABLE", true},
	ErrMessageTooLarge:                        {"MESSAGE_TOO_LARGE", false},
	ErrStaleControllerEpoch:                   {"STALE_CONTROLLER_EPOCH", false},
	ErrOffsetMetadataTooLarge:                 {"OFFSET_METADATA_TOO_LARGE", false},
	ErrNetworkException:                       {"NETWORK_EXCEPTION", true},
	ErrCoordinatorLoadInProgress:              {"COORDINATOR_LOAD_IN_PROGRESS", true},
	ErrCoordinatorNotAvailable:                {"COORDINATOR_NOT_AVAILABLE", true},
	ErrNotCoordinator:                         {"NOT_COORDINATOR", true},
	ErrInvalidTopicException:                  {"INVALID_TOPIC_EXCEPTION", false},
	ErrRecordListTooLarge:                     {"RECORD_LIST_TOO_LARGE", false},
	ErrNotEnoughReplicas:                      {"NOT_ENOUGH_REPLICAS", true},
	ErrNotEnoughReplicasAfterAppend:           {"NOT_ENOUGH_REPLICAS_AFTER_APPEND", true},
	ErrInvalidRequiredAcks:                    {"INVALID_REQUIRED_ACKS", false},
	ErrIllegalGeneration:                      {"ILLEGAL_GENERATION", false},
	ErrInconsistentGroupProtocol:              {"INCONSISTENT_GROUP_PROTOCOL", false},
	ErrInvalidGroupID:                         {"INVALID_GROUP_ID", false},
	ErrUnknownMemberID:                        {"UNKNOWN_MEMBER_ID", false},
	ErrInvalidSessionTimeout:                  {"INVALID_SESSION_TIMEOUT", false},
	ErrRebalanceInProgress:                    {"REBALANCE_IN_PROGRESS", false},
	ErrInvalidCommitOffsetSize:                {"INVALID_COMMIT_OFFSET_SIZE", false},
	ErrTopicAuthorizationFailed:               {"TOPIC_AUTHORIZATION_FAILED", false},
	ErrGroupAuthorizationFailed:               {"GROUP_AUTHORIZATION_FAILED", false},
	ErrClusterAuthorizationFailed:             {"CLUSTER_AUTHORIZATION_FAILED", false},
	ErrInvalidTimestamp:                       {"INVALID_TIMESTAMP", false},
	ErrUnsupportedSASLMechanism:               {"UNSUPPORTED_SASL_MECHANISM", false},
	ErrIllegalSASLState:                       {"ILLEGAL_SASL_STATE", false},
	ErrUnsupportedVersion:                     {"UNSUPPORTED_VERSION", false},
	ErrTopicAlreadyExists:                     {"TOPIC_ALREADY_EXISTS", false},
	ErrInvalidPartitions:                      {"INVALID_PARTITIONS", false},
	ErrInvalidReplicationFactor:               {"INVALID_REPLICATION_FACTOR", false},
	ErrInvalidReplicaAssignment:               {"INVALID_REPLICA_ASSIGNMENT", false},
	ErrInvalidConfig:                          {"INVALID_CONFIG", false},
	ErrNotController:                          {"NOT_CONTROLLER", true},
	ErrInvalidRequest:                         {"INVALID_REQUEST", false},
	ErrUnsupportedForMessageFormat:            {"UNSUPPORTED_FOR_MESSAGE_FORMAT", false},
	ErrPolicyViolation:                        {"POLICY_VIOLATION", false},
	ErrOutOfOrderSequenceNumber:               {"OUT_OF_ORDER_SEQUENCE_NUMBER", false},
	ErrDuplicateSequenceNumber:                {"DUPLICATE_SEQUENCE_NUMBER", false},
	ErrInvalidProducerEpoch:                   {"INVALID_PRODUCER_EPOCH", false},
	ErrInvalidTxnState:                        {"INVALID_TXN_STATE", false},
	ErrInvalidProducerIDMapping:               {"INVALID_PRODUCER_ID_MAPPING", false},
	ErrInvalidTransactionTimeout:              {"INVALID_TRANSACTION_TIMEOUT", false},
	ErrConcurrentTransactions:                 {"CONCURRENT_TRANSACTIONS", false},
	ErrTransactionCoordinatorFenced:           {"TRANSACTION_COORDINATOR_FENCED", false},
	ErrTransactionalIDAuthorizationFailed:     {"TRANSACTIONAL_ID_AUTHORIZATION_FAILED", false},
	ErrSecurityDisabled:                       {"SECURITY_DISABLED", false},
	ErrOperationNotAttempted:                  {"OPERATION_NOT_ATTEMPTED", false},
	ErrKafkaStorageError:                      {"KAFKA_STORAGE_ERROR", true},
	ErrLogDirNotFound:                         {"LOG_DIR_NOT_FOUND", false},
	ErrSASLAuthenticationFailed:               {"SASL_AUTHENTICATION_FAILED", false},
	ErrUnknownProducerID:                      {"UNKNOWN_PRODUCER_ID", false},
	ErrReassignmentInProgress:                 {"REASSIGNMENT_IN_PROGRESS", false},
	ErrDelegationTokenAuthDisabled:            {"DELEGATION_TOKEN_AUTH_DISABLED", false},
	ErrDelegationTokenNotFound:                {"DELEGATION_TOKEN_NOT_FOUND", false},
	ErrDelegationTokenOwnerMismatch:           {"DELEGATION_TOKEN_OWNER_MISMATCH", false},
	ErrDelegationTokenRequestNotAllowed:       {"DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", false},
	ErrDelegationTokenAuthorizationFailed:     {"DELEGATION_TOKEN_AUTHORIZATION_FAILED", false},
	ErrDelegationTokenExpired:                 {"DELEGATION_TOKEN_EXPIRED", false},
	ErrInvalidPrincipalType:                   {"INVALID_PRINCIPAL_TYPE", false},
	ErrNonEmptyGroup:                          {"NON_EMPTY_GROUP", false},
	ErrGroupIDNotFound:                        {"GROUP_ID_NOT_FOUND", false},
	ErrFetchSessionIDNotFound:                 {"FETCH_SESSION_ID_NOT_FOUND", true},
	ErrInvalidFetchSessionEpoch:               {"INVALID_FETCH_SESSION_EPOCH", true},
	ErrListenerNotFound:                       {"LISTENER_NOT_FOUND", true},
	ErrTopicDeletionDisabled:                  {"TOPIC_DELETION_DISABLED", false},
	ErrFencedLeaderEpoch:                      {"FENCED_LEADER_EPOCH", true},
	ErrUnknownLeaderEpoch:                     {"UNKNOWN_LEADER_EPOCH", true},
	ErrUnsupportedCompressionType:             {"UNSUPPORTED_COMPRESSION_TYPE", false},
	ErrStaleBrokerEpoch:                       {"STALE_BROKER_EPOCH", false},
	ErrOffsetNotAvailable:                     {"OFFSET_NOT_AVAILABLE", true},
	ErrMemberIDRequired:                       {"MEMBER_ID_REQUIRED", false},
	ErrPreferredLeaderNotAvailable:            {"PREFERRED_LEADER_NOT_AVAILABLE", true},
	ErrGroupMaxSizeReached:                    {"GROUP_MAX_SIZE_REACHED", false},
	ErrFencedInstanceID:                       {"FENCED_INSTANCE_ID", false},
	ErrEligibleLeadersNotAvailable:            {"ELIGIBLE_LEADERS_NOT_AVAILABLE", true},
	ErrElectionNotNeeded:                      {"ELECTION_NOT_NEEDED", true},
	ErrNoReassignmentInProgress:               {"NO_REASSIGNMENT_IN_PROGRESS", false},
	ErrGroupSubscribedToTopic:                 {"GROUP_SUBSCRIBED_TO_TOPIC", false},
	ErrInvalidRecord:                          {"INVALID_RECORD", false},
	ErrUnstableOffsetCommit:                   {"UNSTABLE_OFFSET_COMMIT", true},
	ErrThrottlingQuotaExceeded:                {"THROTTLING_QUOTA_EXCEEDED", true},
	ErrProducerFenced:                         {"PRODUCER_FENCED", false},
	ErrResourceNotFound:                       {"RESOURCE_NOT_FOUND", false},
	ErrDuplicateResource:                      {"DUPLICATE_RESOURCE", false},
	ErrUnacceptableCredential:                 {"UNACCEPTABLE_CREDENTIAL", false},
	ErrInconsistentVoterSet:                   {"INCONSISTENT_VOTER_SET", false},
	ErrInvalidUpdateVersion:                   {"INVALID_UPDATE_VERSION", false},
	ErrFeatureUpdateFailed:                    {"FEATURE_UPDATE_FAILED", false},
	ErrPrincipalDeserializationFailure:        {"PRINCIPAL_DESERIALIZATION_FAILURE", false},
	ErrSnapshotNotFound:                       {"SNAPSHOT_NOT_FOUND", false},
	ErrPositionOutOfRange:                     {"POSITION_OUT_OF_RANGE", false},
	ErrUnknownTopicID:                         {"UNKNOWN_TOPIC_ID", true},
	ErrDuplicateBrokerRegistration:            {"DUPLICATE_BROKER_REGISTRATION", false},
	ErrBrokerIDNotRegistered:                  {"BROKER_ID_NOT_REGISTERED", false},
	ErrInconsistentTopicID:                    {"INCONSISTENT_TOPIC_ID", true},
	ErrInconsistentClusterID:                  {"INCONSISTENT_CLUSTER_ID", false},
	ErrTransactionalIDNotFound:                {"TRANSACTIONAL_ID_NOT_FOUND", false},
	ErrFetchSessionTopicIDError:               {"FETCH_SESSION_TOPIC_ID_ERROR", true},
	ErrIneligibleReplica:                      {"INELIGIBLE_REPLICA", false},
	ErrNewLeaderElected:                       {"NEW_LEADER_ELECTED", false},
	ErrOffsetMovedToTieredStorage:             {"OFFSET_MOVED_TO_TIERED_STORAGE", false},
	ErrFencedMemberEpoch:                      {"FENCED_MEMBER_EPOCH", false},
	ErrUnreleasedInstanceID:                   {"UNRELEASED_INSTANCE_ID", false},
	ErrUnsupportedAssignor:                    {"UNSUPPORTED_ASSIGNOR", false},
	ErrStaleMemberEpoch:                       {"STALE_MEMBER_EPOCH", false},
	ErrMismatchedEndpointType:                 {"MISMATCHED_ENDPOINT_TYPE", false},
	ErrUnsupportedEndpointType:                {"UNSUPPORTED_ENDPOINT_TYPE", false},
	ErrUnknownControllerID:                    {"UNKNOWN_CONTROLLER_ID", false},
	ErrUnknownSubscriptionID:                  {"UNKNOWN_SUBSCRIPTION_ID", false},
	ErrTelemetryTooLarge:                      {"TELEMETRY_TOO_LARGE", false},
	ErrInvalidRegistration:                    {"INVALID_REGISTRATION", false},
	ErrTransactionAbortable:                   {"TRANSACTION_ABORTABLE", false},
	ErrInvalidRecordState:                     {"INVALID_RECORD_STATE", false},
	ErrShareSessionNotFound:                   {"SHARE_SESSION_NOT_FOUND", false},
	ErrInvalidShareSessionEpoch:               {"INVALID_SHARE_SESSION_EPOCH", false},
	ErrFencedStateEpoch:                       {"FENCED_STATE_EPOCH", false},
	ErrInvalidVoterKey:                        {"INVALID_VOTER_KEY", false},
	ErrDuplicateVoter:                         {"DUPLICATE_VOTER", false},
	ErrVoterNotFound:                          {"VOTER_NOT_FOUND", false},
	ErrInvalidRegularExpression:               {"INVALID_REGULAR_EXPRESSION", false},
	ErrRebootstrapRequired:                    {"REBOOTSTRAP_REQUIRED", false},
	ErrStreamsInvalidTopology:                 {"STREAMS_INVALID_TOPOLOGY", false},
	ErrStreamsInvalidTopologyEpoch:            {"STREAMS_INVALID_TOPOLOGY_EPOCH", false},
	ErrStreamsTopologyFenced:                  {"STREAMS_TOPOLOGY_FENCED", false},
	ErrShareSessionLimitReached:               {"SHARE_SESSION_LIMIT_REACHED", true},
	ErrGroupDeletionFailed:                    {"GROUP_DELETION_FAILED", false},
	ErrStreamsTopologyDescriptionUpdateFailed: {"STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED", false},
	ErrControllerIDNotRegistered:              {"CONTROLLER_ID_NOT_REGISTERED", false},
}

// String is Kafka's name for the code, or its number if Kafka has none.
func (c ErrorCode) String() string {
	if e, ok := errorNames[c]; ok {
		return e.name
	}
	return "ERROR_" + strconv.Itoa(int(c))
}

// Retriable tells whether Kafka's clients repeat a request that got this answer.
func (c ErrorCode) Retriable() bool { return errorNames[c].retriable }

// Error makes a code usable as an error.
func (c ErrorCode) Error() string { return c.String() }
