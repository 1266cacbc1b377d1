package conformance

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/troupe-io/troupe/test/harness"
)

// TestConfluent runs the integration tests of confluent-kafka-go, which has librdkafka linked in.
func TestConfluent(t *testing.T) {
	t.Parallel()
	version, _ := module(t, "github.com/confluentinc/confluent-kafka-go/v2")
	dir := scratch(t, "confluent")
	binary := filepath.Join(dir, "confluent.test")
	goTool(t, ".", "test", "-c", "-o", binary, "github.com/confluentinc/confluent-kafka-go/v2/kafka")
	b := harness.Start(t, "--group.initial.rebalance.delay.ms", "0")
	awaitGroups(t, b)
	conf, err := json.Marshal(map[string]any{
		"Brokers": b.Addr, "BrokersSasl": b.Addr, "SaslUsername": "testuser", "SaslPassword": "testpass", "SaslMechanism": "PLAIN",
		"TopicName": "conformance", "GroupID": "conformance", "PerfMsgCount": 10000, "PerfMsgSize": 100,
		"Config": []string{"api.version.request=true"},
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "testconf.json", string(conf), 0o644)
	suite{list: "confluent", version: version, binary: binary, dir: dir, timeout: 10 * time.Minute}.run(t)
	b.MustNotHavePanicked()
}
