//go:build pins

package conformance

// These imports keep the suites, their versions and what their tests need in go.mod and go.sum. The tag is never set: the suites
// are built one by one, from their own packages.
import (
	_ "github.com/IBM/sarama"
	_ "github.com/Shopify/toxiproxy/v2/cmd/server"
	_ "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	_ "github.com/segmentio/kafka-go"
	_ "github.com/twmb/franz-go/pkg/kadm"
	_ "github.com/twmb/franz-go/pkg/kgo"
)
