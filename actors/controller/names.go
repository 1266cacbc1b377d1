package controller

import (
	"fmt"
	"strings"
)

// TopicNameLengthMax is the longest topic name (Kafka: a directory name with the partition must fit in 255 bytes).
const TopicNameLengthMax = 249

// ClusterMetadataTopic is Kafka's name for the controller's own log; no topic may have it.
const ClusterMetadataTopic = "__cluster_metadata"

// CheckTopicName says what is wrong with a topic's name, by Kafka's rules: 1 to 249 of ASCII letters, digits, '.', '_' and '-',
// and neither "." nor "..". The error is Kafka's INVALID_TOPIC_EXCEPTION.
func CheckTopicName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a topic's name must not be empty")
	case name == "." || name == "..":
		return fmt.Errorf("a topic's name must not be '.' or '..'")
	case len(name) > TopicNameLengthMax:
		return fmt.Errorf("the topic's name has %d characters; at most %d are allowed", len(name), TopicNameLengthMax)
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' {
			continue
		}
		return fmt.Errorf("the topic's name %q has a character that is none of ASCII letters, digits, '.', '_' and '-'", name)
	}
	return nil
}

// InternalTopic says whether name is one of the topics that Kafka keeps for itself.
func InternalTopic(name string) bool {
	return name == "__consumer_offsets" || name == "__transaction_state" || name == "__share_group_state"
}

// collisionKey is equal for names that differ only in '.' against '_': such topics could not be told apart in metrics, so
// the second one is refused. It is "" for a name that has neither.
func collisionKey(name string) string {
	if !strings.ContainsAny(name, "._") {
		return ""
	}
	return strings.ReplaceAll(name, ".", "_")
}
