package conformance

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/troupe-io/troupe/test/harness"
)

// TestKafkaGo runs the tests of segmentio/kafka-go, whole: its tests ask the broker at port 9092, which in a copy is that of the broker
// under test.
func TestKafkaGo(t *testing.T) {
	t.Parallel()
	if *quick {
		t.Log("its list has nothing for the quick form")
		return
	}
	version, src := module(t, "github.com/segmentio/kafka-go")
	dir := scratch(t, "kafkago")
	source := filepath.Join(dir, "source")
	copyTree(t, src, source, func(path string) bool { return !strings.HasPrefix(path, "example") })
	_, port, err := net.SplitHostPort(harness.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(source, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Base(file) == "address_test.go" { // a table of addresses that nobody dials
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		here := strings.NewReplacer("9092", port, `TCP("localhost")`, `TCP("localhost:`+port+`")`)
		write(t, source, filepath.Base(file), here.Replace(string(content)), 0o644)
	}
	// The suite's own helper looks for a coordinator without the means to connect, which is a nil pointer.
	apply(t, source, []edit{{"reader_test.go", "conn, err := cg.coordinator()",
		"cg.config.Timeout = defaultTimeout\n\tcg.config.connect = makeConnect(cg.config)\n\tconn, err := cg.coordinator()", 1}})
	binary := filepath.Join(dir, "kafkago.test")
	goTool(t, source, "test", "-mod=mod", "-c", "-vet=off", "-o", binary, ".")
	addr := net.JoinHostPort("localhost", port)
	b := harness.Start(t, "--kafka-addr", addr, "--advertised-addr", addr, "--group.initial.rebalance.delay.ms", "0")
	awaitGroupsAt(t, addr)
	suite{list: "kafkago", version: version, binary: binary, dir: source, timeout: 10 * time.Minute, env: []string{"KAFKA_VERSION=4.0.0"},
		tests: testsIn(t, filepath.Join(source, "*_test.go"))}.run(t)
	b.MustNotHavePanicked()
}
