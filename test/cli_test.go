package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-io/troupe/test/harness"
)

func TestAFirstSessionOnTheCommandLine(t *testing.T) {
	b := harness.Start(t)
	if out := b.MustRun("", "topic", "create", "greetings", "--partitions", "3", "--replication-factor", "1", "--config", "retention.ms=86400000"); !strings.Contains(out, "created topic greetings with 3 partitions") {
		t.Errorf("create: %q", out)
	}
	if r := b.Run("", "topic", "create", "greetings"); r.Code != 1 || !strings.Contains(r.Stderr, "TOPIC_ALREADY_EXISTS") {
		t.Errorf("create twice: %+v", r)
	}
	b.MustRun("", "topic", "create", "greetings", "--if-not-exists")
	if out := b.MustRun("", "topic", "list"); !strings.Contains(out, "greetings") {
		t.Errorf("list: %q", out)
	}
	var described []struct {
		Topic      string
		Partitions []struct {
			Partition, Leader int32
			StartOffset       int64 `json:"start_offset"`
			EndOffset         int64 `json:"end_offset"`
		}
		Configs []struct{ Key, Value, Source string }
	}
	if err := json.Unmarshal([]byte(b.MustRun("", "topic", "describe", "greetings", "-o", "json")), &described); err != nil {
		t.Fatal(err)
	}
	if len(described) != 1 || len(described[0].Partitions) != 3 || described[0].Partitions[0].Leader != 1 {
		t.Errorf("describe: %+v", described)
	}
	if !slices.ContainsFunc(described[0].Configs, func(c struct{ Key, Value, Source string }) bool {
		return c.Key == "retention.ms" && c.Value == "86400000"
	}) {
		t.Errorf("describe does not show retention.ms: %+v", described[0].Configs)
	}
	b.MustRun("", "topic", "alter", "greetings", "--set", "retention.ms=3600000")
	if out := b.MustRun("", "topic", "describe", "greetings"); !strings.Contains(out, "retention.ms=3600000") {
		t.Errorf("alter: %q", out)
	}
	if r := b.Run("", "topic", "alter", "greetings", "--set", "no.such=1"); r.Code != 1 {
		t.Errorf("alter an unknown configuration: %+v", r)
	}
	b.MustRun("", "topic", "add-partitions", "greetings", "--total", "5")
	if out := b.MustRun("", "topic", "list"); !strings.Contains(strings.Join(strings.Fields(out), " "), "greetings 5 1") {
		t.Errorf("add-partitions: %q", out)
	}
	b.MustRun("k1:hello\nk1:world\n", "produce", "greetings", "--key-separator", ":", "-H", "lang=en", "--compression", "zstd")
	if out := b.MustRun("", "consume", "greetings", "--format", "key-value"); out != "k1\thello\nk1\tworld\n" {
		t.Errorf("consume: %q", out)
	}
	if out := b.MustRun("", "consume", "greetings", "--format", "%k=%v %h{%k:%v}\\n", "-n", "1"); out != "k1=hello lang:en\n" {
		t.Errorf("consume with a layout: %q", out)
	}
	b.MustRun("", "topic", "delete", "greetings")
	if r := b.Run("", "consume", "greetings"); r.Code != 1 || !strings.Contains(r.Stderr, "UNKNOWN_TOPIC_OR_PARTITION") {
		t.Errorf("consume a deleted topic: %+v", r)
	}
}

func TestProduceAndConsumeOptionsOfTheCommandLine(t *testing.T) {
	b := harness.Start(t)
	b.MustRun("", "topic", "create", "n", "--partitions", "2")
	var input strings.Builder
	for i := range 100 {
		fmt.Fprintln(&input, i)
	}
	for _, acks := range []string{"0", "1", "all"} {
		b.MustRun(input.String(), "produce", "n", "--partition", "1", "--acks", acks)
	}
	out := b.MustRun("9\n", "produce", "n", "--partition", "0", "-o", "json")
	var receipt struct{ Partition, Offset int64 }
	if err := json.Unmarshal([]byte(out), &receipt); err != nil || receipt.Partition != 0 || receipt.Offset != 0 {
		t.Errorf("receipt %q: %v", out, err)
	}
	if out := b.MustRun("", "consume", "n", "--partitions", "1"); out != strings.Repeat(input.String(), 3) {
		t.Errorf("%d lines came back", strings.Count(out, "\n"))
	}
	for from, want := range map[string]int{"beginning": 300, "290": 10, "-5": 5, "@0": 300, "-1h": 300} {
		if out := b.MustRun("", "consume", "n", "--partitions", "1", "--from", from); strings.Count(out, "\n") != want {
			t.Errorf("--from %s: %d lines, want %d", from, strings.Count(out, "\n"), want)
		}
	}
	if r := b.Run("", "consume", "n", "--from", "500", "--partitions", "1"); r.Code != 1 || !strings.Contains(r.Stderr, "holds 0 to 300") {
		t.Errorf("--from 500: %+v", r)
	}
}

func TestActorsAreShownAsAListAndAsATree(t *testing.T) {
	b := harness.Start(t)
	b.MustRun("", "topic", "create", "watched", "--partitions", "2")
	cl := b.Client() // a connection to be seen
	if err := cl.Ping(harness.Context(t)); err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(b.MustRun("", "actors", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, a := range list {
		for _, field := range []string{"kind", "name", "parent", "state", "mailbox_depth", "mailbox_oldest_ms", "handled_total", "restarts_total", "last_panic"} {
			if _, ok := a[field]; !ok {
				t.Fatalf("%s is missing in %v", field, a)
			}
		}
		kinds[a["kind"].(string)]++
		if a["restarts_total"].(float64) != 0 {
			t.Errorf("restarted: %v", a)
		}
	}
	for _, kind := range []string{"broker", "connection", "partition", "raft", "wal"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s among %v", kind, kinds)
		}
	}
	if kinds["partition"] < 2 {
		t.Errorf("partitions: %v", kinds)
	}
	tree := b.MustRun("", "actors", "--all")
	for _, want := range []string{"ACTOR", "└─", "wal/", "watched"} {
		if !strings.Contains(tree, want) {
			t.Errorf("the tree lacks %q:\n%s", want, tree)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	nobody := harness.FreeAddr(t)
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"topic", "list", "--bootstrap", nobody}, 1, []string{nobody, "troupe serve", "--bootstrap"}},
		{[]string{"consume", "x", "--bootstrap", nobody}, 1, []string{nobody, "troupe serve"}},
		{[]string{"actors", "--admin-addr", nobody}, 1, []string{nobody, "troupe serve", "--admin-addr"}},
		{[]string{"serve", "--node-id", "none"}, 2, []string{"node-id", `"none"`, "a whole number from 1"}},
		{[]string{"serve", "--no-such"}, 2, []string{"--no-such", "--help"}},
		{[]string{"topic", "create"}, 2, []string{"Usage: troupe topic create NAME"}},
		{[]string{"topic", "bogus"}, 2, []string{"bogus", "--help"}},
		{[]string{"topic", "create", "x", "--config", "novalue"}, 2, []string{"KEY=VALUE"}},
		{[]string{"consume", "x", "--from", "sometime"}, 2, []string{`"sometime"`, "beginning"}},
		{[]string{"consume", "x", "--format", "fancy"}, 2, []string{`"fancy"`, "key-value"}},
		{[]string{"produce", "x", "--acks", "2"}, 2, []string{"0, 1, all"}},
		{[]string{"produce", "x", "--acks", "1", "--idempotent"}, 2, []string{"--acks all"}},
	} {
		r := harness.Run(t, "", nil, c.args...)
		if r.Code != c.code {
			t.Errorf("%v: exit %d, want %d (%s)", c.args, r.Code, c.code, r.Stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(r.Stderr, want) {
				t.Errorf("%v: %q is missing in %q", c.args, want, r.Stderr)
			}
		}
	}
}

func TestConfigPrintTellsWhereEachValueCameFrom(t *testing.T) {
	file := filepath.Join(t.TempDir(), "troupe.yaml")
	if err := os.WriteFile(file, []byte("node-id: 7\nnum.partitions: 4\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := harness.Run(t, "", []string{"TROUPE_NUM_PARTITIONS=5", "TROUPE_CONFIG=" + file}, "config", "print", "--log-level", "debug")
	for _, want := range []string{"node-id 7 file " + file + " line 1", "num.partitions 5 environment TROUPE_NUM_PARTITIONS", "log-level debug flag --log-level", "data-dir data default"} {
		if !strings.Contains(strings.Join(strings.Fields(r.Stdout), " "), want) {
			t.Errorf("%q is missing in:\n%s%s", want, r.Stdout, r.Stderr)
		}
	}
	if err := os.WriteFile(file, []byte("node_id: 7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r = harness.Run(t, "", nil, "config", "print", "--config", file)
	if r.Code != 2 || !strings.Contains(r.Stderr, `the nearest known is "node-id"`) {
		t.Errorf("exit %d: %s", r.Code, r.Stderr)
	}
}

func TestTheWriteAheadLogIsDumpedForPeopleAndForPrograms(t *testing.T) {
	b := harness.Start(t)
	b.MustRun("", "topic", "create", "logged")
	b.MustRun("hello\n", "produce", "logged")
	b.Signal(os.Interrupt)
	if code := b.Wait(20 * time.Second); code != 0 {
		t.Fatalf("the broker ended with %d", code)
	}
	dir := []string{"wal", "dump", "--data-dir", b.Dir}
	text := harness.Run(t, "", nil, dir...)
	if text.Code != 0 || !strings.Contains(text.Stdout, "wal-") || !strings.Contains(text.Stdout, "type=EntryNormal") {
		t.Errorf("%+v", text)
	}
	kinds := map[string]int{}
	lines := strings.Split(strings.TrimSpace(harness.Run(t, "", nil, append(dir, "-o", "json")...).Stdout), "\n")
	for _, line := range lines {
		var d struct{ Kind, File, State, Type string }
		if err := json.Unmarshal([]byte(line), &d); err != nil || d.File == "" {
			t.Fatalf("%q: %v", line, err)
		}
		kinds[d.Kind+" "+d.State+d.Type]++
	}
	for _, want := range []string{"file begun", "write ", "record entry", "record hard-state", "end complete"} {
		if kinds[want] == 0 {
			t.Errorf("%q is missing: %v", want, kinds)
		}
	}
	if people := strings.Count(text.Stdout, " write="); people != kinds["write "] {
		t.Errorf("%d writes for people, %d for programs", people, kinds["write "])
	}
}
