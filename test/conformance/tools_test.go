package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// This file owns the stand-ins for docker and for Kafka's shell scripts, which Sarama's tests call: they run Kafka's Java tools
// from Maven beside the tests, against the broker under test.

// dockerStandIn does what the tests ask of a container: run one of Kafka's tools or a shell in it, and show the broker's log.
// Paths in the container become the stand-ins' and the container's broker the one under test.
const dockerStandIn = `#!/bin/bash
case "$1 $2" in
"compose logs") exec cat "$CONFORMANCE_BROKER_LOG" ;;
"compose exec")
  shift 4 # compose exec -T CONTAINER
  args=()
  for a in "$@"; do
    a=${a//\/opt\/kafka-$KAFKA_VERSION\/bin/$CONFORMANCE_TOOLS}
    args+=("${a//kafka-1:9091/$CONFORMANCE_BROKER_ADDR}")
  done
  exec "${args[@]}"
  ;;
esac
echo "docker $*: there is none here" >&2
exit 64
`

var kafkaTools = map[string]string{
	"kafka-console-producer.sh":    "org.apache.kafka.tools.ConsoleProducer",
	"kafka-console-consumer.sh":    "org.apache.kafka.tools.consumer.ConsoleConsumer",
	"kafka-verifiable-consumer.sh": "org.apache.kafka.tools.VerifiableConsumer",
}

// standInTools is a directory with the stand-ins.
func standInTools(t *testing.T) string {
	t.Helper()
	dir := scratch(t, "tools")
	write(t, dir, "docker", dockerStandIn, 0o755)
	for name, class := range kafkaTools {
		write(t, dir, name, "#!/bin/sh\nexec java -Xmx128m -cp \"$CONFORMANCE_JAVA_LIBS/*\" "+class+" \"$@\"\n", 0o755)
	}
	return dir
}

// kafkaPOM is the directory of the pom.xml that names Kafka's Java tools.
var kafkaPOM = filepath.Join("..", "interop", "agents", "java")

// javaLibs is a directory with Kafka's Java tools: $TROUPE_JAVA_LIBS, or fetched by Maven as the interop tests' pom.xml says. The
// quick form uses no Java and gets none.
func javaLibs(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("TROUPE_JAVA_LIBS"); dir != "" || *quick {
		return dir
	}
	dir := scratch(t, "java-libs")
	pom, err := os.ReadFile(filepath.Join(kafkaPOM, "pom.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if have, err := os.ReadFile(filepath.Join(dir, "pom.xml")); err == nil && string(have) == string(pom) {
		return dir
	}
	cmd := exec.Command("mvn", "-q", "-B", "-f", kafkaPOM, "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("Sarama's tests with Kafka's Java tools need Maven and a JDK: %v\n%s", err, out)
	}
	write(t, dir, "pom.xml", string(pom), 0o644)
	return dir
}
