package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/troupe-io/troupe/test/harness"
)

var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// records is how many go there and back in each combination.
const records = 300

func key(i int) string { return fmt.Sprintf("key-%d", i) }

func value(i int) string { return fmt.Sprintf("value-%d-%s", i, strings.Repeat("x", 200)) }

// expect checks one record that came back as the i-th.
func expect(t *testing.T, i int, offset int64, k, v []byte) {
	t.Helper()
	if offset != int64(i) || string(k) != key(i) || string(v) != value(i) {
		t.Fatalf("record %d: got %q=%.20q at offset %d", i, k, v, offset)
	}
}

// way is one way to acknowledge.
type way struct {
	name       string
	acks       int
	idempotent bool
}

var (
	plainWays = []way{{"acks-0", 0, false}, {"acks-1", 1, false}, {"acks-all", -1, false}}
	allWays   = append(plainWays[:3:3], way{"idempotent", -1, true})
)

// combine runs f for each codec and each way, with a topic of its own.
func combine(t *testing.T, client string, ways []way, f func(t *testing.T, b *harness.Broker, topic, codec string, acks int, idempotent bool)) {
	b := harness.Start(t)
	for _, codec := range codecs {
		for _, a := range ways {
			name := codec + "/" + a.name
			t.Run(name, func(t *testing.T) {
				topic := b.CreateTopic(client+"-"+strings.ReplaceAll(name, "/", "-"), 1, nil)
				f(t, b, topic, codec, a.acks, a.idempotent)
			})
		}
	}
	if strings.Contains(b.Log(), "panicked") {
		t.Error("an actor panicked")
	}
}
