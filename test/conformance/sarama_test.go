package conformance

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/troupe-io/troupe/test/harness"
)

// saramaProxies is how many proxies Sarama's tests want, one a broker. Here all of them lead to the one broker, which advertises the
// first; its tests that need another broker are excluded.
const saramaProxies = 5

// saramaPorts takes the place of the fixed ports in Sarama's setup.
const saramaPorts = `//go:build functional

package sarama

import (
	"os"
	"strconv"
	"strings"
)

// proxyPort is the port of the i-th proxy, from 1.
func proxyPort(i int) int {
	port, err := strconv.Atoi(strings.Split(os.Getenv("CONFORMANCE_PROXY_PORTS"), ",")[i-1])
	if err != nil {
		panic(err)
	}
	return port
}
`

var saramaEdits = []edit{
	{"functional_test.go", "ReplicationFactor: 3,", "ReplicationFactor: 1,", 5},
	{"functional_test.go", "29090+i", "proxyPort(i)", 3},
	// The Java tools run beside the tests instead of in a container: see tools_test.go.
	{"functional_java_interop_test.go", "\tskipIfExistingEnvironment(t)\n", "", 3},
	{"functional_consumer_group_java_interop_test.go", "\tskipIfExistingEnvironment(t)\n", "", 1},
}

// TestSarama runs Sarama's functional tests.
func TestSarama(t *testing.T) {
	t.Parallel()
	version, src := module(t, "github.com/IBM/sarama")
	dir := scratch(t, "sarama")
	source := filepath.Join(dir, "source")
	copyTree(t, src, source, func(path string) bool { return !strings.HasPrefix(path, "examples") })
	apply(t, source, saramaEdits)
	write(t, source, "functional_ports_test.go", saramaPorts, 0o644)
	binary := filepath.Join(dir, "sarama.test")
	goTool(t, source, "test", "-tags", "functional", "-c", "-o", binary, ".")

	var ports []string
	var addrs []string
	for range saramaProxies {
		addr := harness.FreeAddr(t)
		_, port, _ := net.SplitHostPort(addr)
		addrs, ports = append(addrs, addr), append(ports, port)
	}
	b := harness.Start(t, "--advertised-addr", addrs[0], "--auto.create.topics.enable=false", "--group.initial.rebalance.delay.ms", "0")
	tools, libs := standInTools(t), javaLibs(t)
	toxiproxy := startToxiproxy(t, addrs, b.Addr)

	suite{list: "sarama", version: version, binary: binary, dir: source, timeout: 10 * time.Minute, tests: testsIn(t, filepath.Join(source, "functional_*_test.go")), env: []string{
		"TOXIPROXY_ADDR=http://" + toxiproxy, "KAFKA_VERSION=4.0.0", "CONFORMANCE_PROXY_PORTS=" + strings.Join(ports, ","),
		"CONFORMANCE_BROKER_LOG=" + b.LogFile(), "CONFORMANCE_BROKER_ADDR=" + addrs[0],
		"CONFORMANCE_TOOLS=" + tools, "CONFORMANCE_JAVA_LIBS=" + libs, "PATH=" + tools + string(os.PathListSeparator) + os.Getenv("PATH"),
	}}.run(t)
	b.MustNotHavePanicked()
}

// startToxiproxy starts the proxy server, with proxies kafka1… that lead from addrs to upstream, and returns its own address.
func startToxiproxy(t *testing.T, addrs []string, upstream string) string {
	t.Helper()
	binary := filepath.Join(scratch(t, "sarama"), "toxiproxy")
	goTool(t, ".", "build", "-o", binary, "github.com/Shopify/toxiproxy/v2/cmd/server")
	addr := harness.FreeAddr(t)
	host, port, _ := net.SplitHostPort(addr)
	log, err := os.Create(filepath.Join(scratch(t, "logs"), "toxiproxy.out"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-host", host, "-port", port)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		log.Close()
	})
	waitListening(t, addr)
	for i, listen := range addrs {
		body := fmt.Sprintf(`{"name":"kafka%d","listen":%q,"upstream":%q,"enabled":true}`, i+1, listen, upstream)
		resp, err := http.Post("http://"+addr+"/proxies", "application/json", bytes.NewBufferString(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			t.Fatalf("toxiproxy refuses %s: %s", body, resp.Status)
		}
	}
	return addr
}

// waitListening waits until somebody listens at addr.
func waitListening(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody listens at %s: %v", addr, err)
		}
	}
}
