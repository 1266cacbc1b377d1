package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/troupe-io/troupe/test/harness"
)

// The module whose folder kafka_tests holds the ported tests. It cannot stand in go.mod: only its tests are wanted, not the fake
// cluster that they were written for.
const (
	kfakeModule  = "github.com/twmb/franz-go/pkg/kfake"
	kfakeVersion = "v0.0.0-20260918054303-01f206a7e32c"
	kfakeSum     = "h1:+VhoCwJ6sXP2wjfeoVlPkj68NQ4rzdcqH6pXlr+FY5E="
)

// portedDir is where the tests seem to lie for the compiler: within this module, so that its versions of everything else hold.
const portedDir = "ported"

// TestPorted runs the client integration tests of Apache Kafka that franz-go ported to Go, each against a broker of its own.
func TestPorted(t *testing.T) {
	t.Parallel()
	dir := scratch(t, "ported")
	var download struct{ Dir, Sum string }
	if err := json.Unmarshal([]byte(goTool(t, ".", "mod", "download", "-json", kfakeModule+"@"+kfakeVersion)), &download); err != nil {
		t.Fatal(err)
	}
	if download.Sum != kfakeSum {
		t.Fatalf("%s@%s has the checksum %s, expected %s", kfakeModule, kfakeVersion, download.Sum, kfakeSum)
	}
	source := filepath.Join(dir, "source")
	copyTree(t, filepath.Join(download.Dir, "kafka_tests"), source, func(path string) bool { return strings.HasSuffix(path, "_test.go") })
	files, err := filepath.Glob(filepath.Join(source, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	for _, file := range files {
		name := filepath.Base(file)
		apply(t, source, []edit{{name, `"` + kfakeModule + `"`, `kfake "github.com/troupe-io/troupe/test/conformance/kfakeshim"`, 1}})
		overlay.Replace[filepath.Join(here, portedDir, name)] = file
	}
	// The second member comes without an id, which Kafka refuses for that alone (KIP-1082).
	apply(t, source, []edit{{"static_membership_test.go", "hbReq.MemberEpoch = 0\n\thbReq.RebalanceTimeoutMillis",
		"hbReq.MemberEpoch = 0\n\thbReq.MemberID = \"second\"\n\thbReq.RebalanceTimeoutMillis", 1}})
	raw, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "overlay.json", string(raw), 0o644)
	binary := filepath.Join(dir, "ported.test")
	goTool(t, ".", "test", "-c", "-vet=off", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "./"+portedDir)
	suite{list: "ported", version: kfakeModule + "@" + kfakeVersion, binary: binary, dir: dir, timeout: 10 * time.Minute,
		tests: testsIn(t, filepath.Join(source, "*_test.go")), env: []string{"CONFORMANCE_BROKER=" + harness.Binary(t)}}.run(t)
}
