package conformance

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/troupe-io/troupe/test/harness"
)

// TestKgo runs the tests of franz-go's client that need a broker: the list names them.
func TestKgo(t *testing.T) {
	t.Parallel()
	const pkg = "github.com/twmb/franz-go/pkg/kgo"
	version, _ := module(t, "github.com/twmb/franz-go")
	dir := scratch(t, "kgo")
	binary := filepath.Join(dir, "kgo.test")
	goTool(t, ".", "test", "-c", "-o", binary, pkg)
	b := harness.Start(t, "--group.initial.rebalance.delay.ms", "0",
		"--group.consumer.heartbeat.interval.ms", "1000", "--group.consumer.min.heartbeat.interval.ms", "1000")
	awaitGroups(t, b)
	records := "500000" // the suite's own default
	if *quick {
		records = "5000"
	}
	suite{list: "kgo", version: version, binary: binary, dir: dir, timeout: 10 * time.Minute, env: []string{
		"KGO_SEEDS=" + b.Addr, "KGO_TEST_RF=1", "KGO_TEST_RECORDS=" + records, "KGO_TEST_UNSAFE=1", "KGO_LOG_LEVEL=" + envOr("KGO_LOG_LEVEL", "none"),
	}}.run(t)
	b.MustNotHavePanicked()
}
