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

// TestKafkaGo runs the tests of segmentio/kafka-go, whole. They ask a broker at port 9092, as the client does where an address has no
// port; in a copy that is the port of the broker under test.
func TestKafkaGo(t *testing.T) {
	t.Parallel()
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
		write(t, source, filepath.Base(file), strings.ReplaceAll(string(content), "9092", port), 0o644)
	}
	write(t, source, "default_port.go", "package kafka\n\nvar defaultPort = \""+port+"\"\n", 0o644)
	apply(t, source, []edit{
		{"dialer.go", `port = "9092"`, `port = defaultPort`, 1},
		{"address_test.go", "func TestNetworkAddress(t *testing.T) {\n",
			"func TestNetworkAddress(t *testing.T) {\n\tdefer func(port string) { defaultPort = port }(defaultPort)\n\tdefaultPort = \"9092\"\n", 1},
		// The suite's own helper looks for a coordinator without the means to connect, which is a nil pointer.
		{"reader_test.go", "conn, err := cg.coordinator()",
			"cg.config.Timeout = defaultTimeout\n\tcg.config.connect = makeConnect(cg.config)\n\tconn, err := cg.coordinator()", 1},
	})
	binary := filepath.Join(dir, "kafkago.test")
	goTool(t, source, "test", "-mod=mod", "-c", "-vet=off", "-o", binary, ".")
	addr := net.JoinHostPort("localhost", port)
	b := harness.Start(t, "--kafka-addr", addr, "--advertised-addr", addr, "--group.initial.rebalance.delay.ms", "0")
	awaitGroupsAt(t, addr)
	suite{list: "kafkago", version: version, binary: binary, dir: source, timeout: 10 * time.Minute, env: []string{"KAFKA_VERSION=4.0.0"},
		tests: testsIn(t, filepath.Join(source, "*_test.go"))}.run(t)
	b.MustNotHavePanicked()
}
