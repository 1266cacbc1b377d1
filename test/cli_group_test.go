package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/test/harness"
)

// groupView is what the tests read of `group describe -o json`.
type groupView struct {
	Group, Type, State, Assignor string
	Members                      []struct {
		MemberID   string `json:"member_id"`
		InstanceID string `json:"instance_id"`
		ClientID   string `json:"client_id"`
		Host       string
		Assigned   []struct {
			Topic      string
			Partitions []int32
		}
	}
	Offsets []struct {
		Topic     string
		Partition int32
		Committed *int64 `json:"committed_offset"`
		End       *int64 `json:"log_end_offset"`
		Lag       *int64
		Seconds   *float64 `json:"lag_seconds"`
		ClientID  string   `json:"client_id"`
	}
	LagTotal   int64   `json:"lag_total"`
	SecondsMax float64 `json:"lag_seconds_max"`
}

func describeGroup(t *testing.T, b *harness.Broker, name string) groupView {
	t.Helper()
	return parse[[]groupView](t, b.MustRun("", "group", "describe", name, "-o", "json"))[0]
}

func parse[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return v
}

// moves is what the tests read of `group reset-offsets -o json`.
type moves struct {
	Executed   bool
	Partitions []struct {
		Topic     string
		Partition int32
		Old       *int64 `json:"old_offset"`
		New       *int64 `json:"new_offset"`
		Delta     *int64
		Note      string
	}
}

// ageingTopic makes a topic of two partitions with ten records each, one a minute, the newest a minute old.
func ageingTopic(t *testing.T, b *harness.Broker, name string) {
	t.Helper()
	b.CreateTopic(name, 2, nil)
	cl := b.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	now := time.Now()
	var records []*kgo.Record
	for i := range 20 {
		records = append(records, &kgo.Record{Topic: name, Partition: int32(i / 10), Timestamp: now.Add(-time.Duration(10-i%10) * time.Minute), Value: []byte("x")})
	}
	if err := cl.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, b *harness.Broker, group, topic string, at ...int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	for p, o := range at {
		offsets.AddOffset(topic, int32(p), o, -1)
	}
	if err := kadm.NewClient(b.Client()).CommitAllOffsets(harness.Context(t), group, offsets); err != nil {
		t.Fatal(err)
	}
}

func TestAGroupIsDescribedWithItsMembersAndItsLagInOffsetsAndSeconds(t *testing.T) {
	b := harness.Start(t)
	ageingTopic(t, b, "orders")
	commit(t, b, "readers", "orders", 4, 10)
	g := describeGroup(t, b, "readers")
	if g.State != "Empty" || g.Type != "classic" || g.LagTotal != 6 || len(g.Offsets) != 2 {
		t.Fatalf("%+v", g)
	}
	// Record 4 of ten is six minutes old.
	if lag := g.Offsets[0]; *lag.Committed != 4 || *lag.Lag != 6 || lag.Seconds == nil || *lag.Seconds < 360 || *lag.Seconds > 420 {
		t.Errorf("behind: %+v (%v s)", lag, lag.Seconds)
	}
	if lag := g.Offsets[1]; *lag.Lag != 0 || *lag.Seconds != 0 {
		t.Errorf("caught up: %+v", lag)
	}
	member := b.Client(kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("orders"), kgo.ClientID("reader-1"), kgo.InstanceID("static-1"), kgo.DisableAutoCommit())
	harness.Poll(t, member, 6)
	g = describeGroup(t, b, "readers")
	if g.State != "Stable" || g.Assignor == "" || len(g.Members) != 1 {
		t.Fatalf("%+v", g)
	}
	m := g.Members[0]
	if m.ClientID != "reader-1" || m.InstanceID != "static-1" || m.Host == "" || len(m.Assigned) != 1 || len(m.Assigned[0].Partitions) != 2 || g.Offsets[0].ClientID != "reader-1" {
		t.Errorf("member %+v", m)
	}
	text := b.MustRun("", "group", "describe", "readers")
	for _, want := range []string{"group readers: classic, Stable", "lag 6 (6m", "reader-1", "static-1", "orders:0-1", "LAG-TIME"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if r := b.Run("", "group", "describe", "readers", "nobody"); r.Code != 1 || !strings.Contains(r.Stdout, "group readers") || !strings.Contains(r.Stderr, "GROUP_ID_NOT_FOUND") {
		t.Errorf("one of two groups is not there: %+v", r)
	}
}

// The first question about a group makes the groups' topic: the answer is not there at once.
func TestTheFirstQuestionAboutAGroupWaitsForItsCoordinator(t *testing.T) {
	for _, args := range [][]string{{"describe", "nobody"}, {"delete", "nobody"}} {
		b := harness.Start(t)
		if r := b.Run("", append([]string{"group"}, args...)...); r.Code != 1 || !strings.Contains(r.Stderr, "GROUP_ID_NOT_FOUND") {
			t.Errorf("group %v: %+v", args, r)
		}
	}
	b := harness.Start(t)
	b.CreateTopic("orders", 1, nil)
	b.MustRun("", "group", "reset-offsets", "readers", "--topic", "orders", "--to", "earliest", "--execute")
	if g := describeGroup(t, b, "readers"); len(g.Offsets) != 1 || *g.Offsets[0].Committed != 0 {
		t.Errorf("%+v", g)
	}
}

func TestGroupsAreListedByStateTypeAndProtocol(t *testing.T) {
	b := harness.Start(t)
	ageingTopic(t, b, "orders")
	commit(t, b, "idle", "orders", 1)
	member := b.Client(kgo.ConsumerGroup("busy"), kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	harness.Poll(t, member, 1)
	names := func(args ...string) string {
		var out []string
		for _, g := range parse[[]struct{ Group string }](t, b.MustRun("", append([]string{"group", "list", "-o", "json"}, args...)...)) {
			out = append(out, g.Group)
		}
		return strings.Join(out, " ")
	}
	for args, want := range map[string]string{"": "busy idle", "--state empty": "idle", "--state Stable": "busy", "--state Empty,Stable": "busy idle",
		"--type classic": "busy idle", "--type consumer": "", "--protocol consumer": "busy", "--protocol connect": ""} {
		if got := names(strings.Fields(args)...); got != want {
			t.Errorf("group list %s: %q, want %q", args, got, want)
		}
	}
	if r := b.Run("", "group", "list", "--state", "asleep"); r.Code != 2 || !strings.Contains(r.Stderr, "PreparingRebalance") {
		t.Errorf("an unknown state: %+v", r)
	}
}

func TestOffsetsAreResetAfterADryRunAndNotUnderActiveMembers(t *testing.T) {
	b := harness.Start(t)
	ageingTopic(t, b, "orders")
	commit(t, b, "g", "orders", 5, 5)
	reset := func(args ...string) moves {
		t.Helper()
		return parse[moves](t, b.MustRun("", append([]string{"group", "reset-offsets", "g", "-o", "json"}, args...)...))
	}
	committed := func() (out [2]int64) {
		t.Helper()
		for _, o := range describeGroup(t, b, "g").Offsets {
			if out[o.Partition] = -1; o.Committed != nil {
				out[o.Partition] = *o.Committed
			}
		}
		return out
	}
	dry := b.Run("", "group", "reset-offsets", "g", "--topic", "orders", "--to", "earliest")
	if dry.Code != 0 || !strings.Contains(dry.Stderr, "--execute") || !strings.Contains(strings.Join(strings.Fields(dry.Stdout), " "), "orders 0 5 0 -5") {
		t.Errorf("dry run: %+v", dry)
	}
	if got := committed(); got != [2]int64{5, 5} {
		t.Fatalf("a dry run changed offsets to %v", got)
	}
	for _, c := range []struct {
		args string
		want [2]int64
	}{
		{"--topic orders:1 --to earliest", [2]int64{5, 0}},
		{"--all-topics --to latest", [2]int64{10, 10}},
		{"--all-topics --shift-by -3", [2]int64{7, 7}},
		{"--topic orders:0 --to 2", [2]int64{2, 7}},
		{"--topic orders --to 210s", [2]int64{7, 7}}, // three and a half minutes ago: record 7 is three minutes old
		{"--topic orders:0 --to " + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), [2]int64{0, 7}},
		{"--topic orders:0 --to 1000", [2]int64{10, 7}},
		{"--all-topics --to-current", [2]int64{10, 7}},
	} {
		if m := reset(append(strings.Fields(c.args), "--execute")...); !m.Executed {
			t.Errorf("%s: %+v", c.args, m)
		}
		if got := committed(); got != c.want {
			t.Errorf("%s: %v, want %v", c.args, got, c.want)
		}
	}
	if m := reset("--topic", "orders:0", "--to", "1000"); *m.Partitions[0].New != 10 || !strings.Contains(m.Partitions[0].Note, "after the end") || m.Executed {
		t.Errorf("beyond the end: %+v", m)
	}
	// A copy, and back to it.
	file := filepath.Join(t.TempDir(), "offsets.csv")
	if err := os.WriteFile(file, []byte(b.MustRun("", "group", "export-offsets", "g")), 0o644); err != nil {
		t.Fatal(err)
	}
	reset("--all-topics", "--to", "earliest", "--execute")
	reset("--from-file", file, "--execute")
	if got := committed(); got != [2]int64{10, 7} {
		t.Errorf("back from the file: %v", got)
	}
	exported := b.MustRun("", "group", "export-offsets", "g", "-o", "json")
	if r := b.Run(exported, "group", "reset-offsets", "g", "--from-file", "-", "--topic", "orders:1"); r.Code != 0 || strings.Count(r.Stdout, "orders") != 1 {
		t.Errorf("from standard input: %+v", r)
	}
	for args, want := range map[string]string{
		"":                              "exactly one of",
		"--to 1 --shift-by 2 --topic x": "exactly one of",
		"--to earliest":                 "--all-topics",
		"--to soon --topic orders":      "earliest, latest",
		"--to 1 --topic orders:9":       "0 to 1",
		"--from-file /no/such":          "no such file",
	} {
		if r := b.Run("", append([]string{"group", "reset-offsets", "g"}, strings.Fields(args)...)...); r.Code != 2 || !strings.Contains(r.Stderr, want) {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if r := b.Run("", "group", "reset-offsets", "g", "--topic", "nowhere", "--to", "1"); r.Code != 1 || !strings.Contains(r.Stderr, "UNKNOWN_TOPIC_OR_PARTITION") {
		t.Errorf("an unknown topic: %+v", r)
	}
	// A group that is made by it.
	b.MustRun("", "group", "reset-offsets", "new", "--topic", "orders", "--to", "latest", "--execute")
	if g := describeGroup(t, b, "new"); len(g.Offsets) != 2 || g.LagTotal != 0 {
		t.Errorf("a new group: %+v", g)
	}
	member := b.Client(kgo.ConsumerGroup("g"), kgo.ConsumeTopics("orders"), kgo.ClientID("worker"), kgo.DisableAutoCommit())
	harness.Poll(t, member, 3)
	r := b.Run("", "group", "reset-offsets", "g", "--topic", "orders", "--to", "earliest", "--execute")
	if r.Code != 1 || !strings.Contains(r.Stderr, "worker") || !strings.Contains(r.Stderr, "Stop") {
		t.Errorf("under an active member: %+v", r)
	}
	if r := b.Run("", "group", "delete", "g"); r.Code != 1 || !strings.Contains(r.Stderr, "NON_EMPTY_GROUP") || !strings.Contains(r.Stderr, "stop its members") {
		t.Errorf("delete under an active member: %+v", r)
	}
	if err := member.LeaveGroupContext(harness.Context(t)); err != nil {
		t.Fatal(err)
	}
	b.MustRun("", "group", "delete-offsets", "g", "--topic", "orders:0")
	if got := committed(); got[0] != 10 {
		t.Errorf("a dry run deleted: %v", got)
	}
	b.MustRun("", "group", "delete-offsets", "g", "--topic", "orders:0", "--execute")
	if g := describeGroup(t, b, "g"); len(g.Offsets) != 1 || g.Offsets[0].Partition != 1 {
		t.Errorf("delete-offsets: %+v", g)
	}
	b.MustRun("", "group", "delete", "g", "new")
	if out := b.MustRun("", "group", "list", "-o", "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("after delete: %s", out)
	}
	b.MustRun("", "group", "delete", "g", "--if-exists")
}

func TestConfigurationsAreShownSetCheckedAndUnset(t *testing.T) {
	b := harness.Start(t, "--log.retention.ms", "7200000")
	b.CreateTopic("orders", 1, nil)
	type entry struct {
		Key, Value, Source string
		Default            *string
	}
	get := func(args ...string) map[string]entry {
		t.Helper()
		out := map[string]entry{}
		for _, e := range parse[[]entry](t, b.MustRun("", append([]string{"config", "get", "-o", "json"}, args...)...)) {
			out[e.Key] = e
		}
		return out
	}
	if e := get("topic", "orders", "--all")["retention.ms"]; e.Value != "7200000" || e.Source != "STATIC_BROKER_CONFIG" {
		t.Errorf("the broker's: %+v", e)
	}
	if out := b.MustRun("", "config", "set", "topic", "orders", "retention.ms=1000", "--dry-run"); !strings.Contains(strings.Join(strings.Fields(out), " "), "retention.ms 7200000 1000") {
		t.Errorf("dry run: %s", out)
	}
	if e := get("topic", "orders", "retention.ms")["retention.ms"]; e.Value != "7200000" {
		t.Errorf("a dry run set it: %+v", e)
	}
	b.MustRun("", "config", "set", "topic", "orders", "retention.ms=1000", "max.message.bytes=5000")
	if e := get("topic", "orders"); e["retention.ms"].Value != "1000" || e["retention.ms"].Source != "DYNAMIC_TOPIC_CONFIG" || e["max.message.bytes"].Value != "5000" {
		t.Errorf("set: %+v", e)
	}
	if out := b.MustRun("", "config", "get", "topic", "orders"); !strings.Contains(out, "dynamic (topic)") {
		t.Errorf("the table: %s", out)
	}
	if out := b.MustRun("", "config", "unset", "topic", "orders", "retention.ms"); !strings.Contains(strings.Join(strings.Fields(out), " "), "retention.ms 1000 7200000") {
		t.Errorf("unset: %s", out)
	}
	if out := b.MustRun("", "config", "get", "broker", "1"); !strings.Contains(out, "static (broker)") {
		t.Errorf("broker: %s", out)
	}
	for args, want := range map[string]string{
		"set topic orders retention.ms=soon --dry-run": "INVALID_CONFIG", "set topic orders no.such=1": "INVALID_CONFIG",
		"get topic orders no.such": "--all", "get topic nowhere": "UNKNOWN_TOPIC", "get broker 7": "there are 1",
	} {
		if r := b.Run("", append([]string{"config"}, strings.Fields(args)...)...); r.Code != 1 || !strings.Contains(r.Stderr, want) {
			t.Errorf("config %s: %+v", args, r)
		}
	}
	for args, want := range map[string]string{
		"set topic orders retention.ms": "KEY=VALUE", "get planet x": "topic, broker, group", "unset topic orders a=1": "only the key", "set topic orders": "Usage:",
	} {
		if r := b.Run("", append([]string{"config"}, strings.Fields(args)...)...); r.Code != 2 || !strings.Contains(r.Stderr, want) {
			t.Errorf("config %s: %+v", args, r)
		}
	}
}
