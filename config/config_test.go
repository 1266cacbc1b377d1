package config_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/troupe-io/troupe/config"
)

func load(t *testing.T, yaml string, flags map[string]string, env ...string) (*config.Settings, []string, error) {
	t.Helper()
	src := config.Sources{Flags: flags, Environ: env}
	if yaml != "" {
		src.File = "troupe.yaml"
		src.ReadFile = func(string) ([]byte, error) { return []byte(yaml), nil }
	}
	return config.Load(src)
}

func value(t *testing.T, s *config.Settings, key string) config.Value {
	t.Helper()
	for _, v := range s.Values() {
		if v.Key == key {
			return v
		}
	}
	t.Fatalf("no setting %s", key)
	return config.Value{}
}

func TestTheDefaultsAreAllowed(t *testing.T) {
	s, _, err := load(t, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.KafkaAddr != "127.0.0.1:9092" || s.NodeID != 1 || s.LogSegmentBytes != 1<<30 || s.MemoryLimit < 64<<20 {
		t.Fatalf("%+v", s)
	}
}

func TestFlagsBeatTheEnvironmentWhichBeatsTheFile(t *testing.T) {
	yaml := "node-id: 2\nnum.partitions: 5\nlog:\n  retention.ms: 7\n  segment:\n    bytes: 2MiB\n"
	s, _, err := load(t, yaml, map[string]string{"node-id": "4"}, "TROUPE_NODE_ID=3", "TROUPE_NUM_PARTITIONS=6")
	if err != nil {
		t.Fatal(err)
	}
	if s.NodeID != 4 || s.NumPartitions != 6 || s.LogRetentionMs != 7 || s.LogSegmentBytes != 2<<20 {
		t.Fatalf("%+v", s)
	}
	for key, want := range map[string]string{"node-id": "flag --node-id", "num.partitions": "environment TROUPE_NUM_PARTITIONS",
		"log.retention.ms": "file troupe.yaml line 4", "data-dir": "default "} {
		v := value(t, s, key)
		if got := string(v.Origin) + " " + v.Where; got != want {
			t.Errorf("%s came from %q, want %q", key, got, want)
		}
	}
}

func TestAWrongValueNamesKeyValueAndWhatIsAllowed(t *testing.T) {
	for _, c := range []struct{ key, text, want string }{
		{"node-id", "0", `node-id: "0" is not allowed; allowed: a whole number from 1 to 2147483647 (from --node-id)`},
		{"node-id", "x", `node-id: "x" is not allowed`},
		{"kafka-addr", "localhost", `kafka-addr: "localhost" is not allowed (not HOST:PORT); allowed: HOST:PORT`},
		{"kafka-addr", "localhost:99999", "from 0 to 65535"},
		{"log-format", "xml", `log-format: "xml" is not allowed; allowed: auto, console, json`},
		{"memory-limit", "1KiB", "allowed: a size such as 64MiB, from 64MiB"},
		{"memory-limit", "99999999TiB", "memory-limit"},
		{"shutdown-timeout", "5", "allowed: a duration such as 10s, from 1s to 1h0m0s"},
		{"auto.create.topics.enable", "maybe", "allowed: true, false"},
		{"log.retention.ms", "-2", "or -1 for no limit"},
		{"data-dir", "", "data-dir"},
		{"log.cleanup.policy", "keep", "allowed: delete, compact"},
		{"log.cleaner.min.cleanable.ratio", "1.5", "a number from 0 to 1"},
		{"log.cleaner.min.cleanable.ratio", "NaN", "a number from 0 to 1"},
		{"no-such", "1", `unknown flag --no-such; the nearest known is`},
	} {
		_, _, err := load(t, "", map[string]string{c.key: c.text})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%q: got %v, want …%s…", c.key, c.text, err, c.want)
		}
	}
}

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	_, _, err := load(t, "kafka-adr: x\nnode-id: 0\nnode-id: 1\nlog-level: [a]\n", map[string]string{"log-format": "xml"}, "TROUPE_NUM_PARTITIONS=0")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`troupe.yaml line 1: unknown key "kafka-adr"; the nearest known is "kafka-addr"`,
		"troupe.yaml line 3: node-id stands here and in line 2", "log-level takes one value",
		"log-format:", "num.partitions:", "(from TROUPE_NUM_PARTITIONS)"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
}

func TestSettingsMustFitTogether(t *testing.T) {
	for _, flags := range []map[string]string{
		{"wal-file-size": "64MiB", "wal-size-limit": "128MiB"},
		{"memory-limit": "64MiB", "tail-cache": "60MiB"},
		{"message.max.bytes": "10MiB", "socket.request.max.bytes": "1MiB"},
	} {
		if _, _, err := load(t, "", flags); err == nil {
			t.Errorf("%v was accepted", flags)
		}
	}
}

func TestCachesFollowTheMemoryLimit(t *testing.T) {
	s, _, err := load(t, "", map[string]string{"memory-limit": "128MiB"})
	if err != nil || s.TailCache != 32<<20 || value(t, s, "tail-cache").Value != "33554432" {
		t.Fatalf("%v %+v", err, value(t, s, "tail-cache"))
	}
}

func TestAMissingOrMalformedFileIsAnError(t *testing.T) {
	_, _, err := config.Load(config.Sources{File: "x.yaml", ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }})
	if !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%v", err)
	}
	for _, yaml := range []string{"a: b: c", "- a\n- b\n", "just text"} {
		if _, _, err := load(t, yaml, nil); err == nil {
			t.Errorf("%q was accepted", yaml)
		}
	}
	if _, _, err := load(t, "# only a comment\n", nil); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func TestAMistypedVariableIsWarnedOf(t *testing.T) {
	_, warnings, err := load(t, "", nil, "TROUPE_NODEID=3", "TROUPE_PORT_9092_TCP=x", "TROUPE_CONFIG=a", "HOME=/")
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "did you mean TROUPE_NODE_ID") {
		t.Fatalf("%v %q", err, warnings)
	}
}

func TestTheWildcardAddressIsNeverAdvertised(t *testing.T) {
	lan := &net.IPNet{IP: net.IPv4(10, 1, 2, 3), Mask: net.CIDRMask(8, 32)}
	loop := &net.IPNet{IP: net.IPv4(127, 0, 0, 1), Mask: net.CIDRMask(8, 32)}
	m := config.Machine{
		Addrs:    func() ([]net.Addr, error) { return []net.Addr{loop, lan}, nil },
		Hostname: func() (string, error) { return "box", nil },
		Lookup:   func(string) ([]string, error) { return nil, errors.New("unknown host") },
	}
	bare := m
	bare.Addrs = func() ([]net.Addr, error) { return []net.Addr{loop}, nil }
	named := bare
	named.Lookup = func(string) ([]string, error) { return []string{"10.9.9.9"}, nil }
	for _, c := range []struct {
		kafka, advertised string
		m                 config.Machine
		want              string
	}{
		{"127.0.0.1:9092", "", m, "127.0.0.1:9092"},
		{"0.0.0.0:9092", "", m, "10.1.2.3:9092"},
		{":9092", "", m, "10.1.2.3:9092"},
		{"[::]:0", "", m, "10.1.2.3:0"},
		{"0.0.0.0:9092", "", named, "box:9092"},
		{"0.0.0.0:9092", "", bare, ""},
		{"0.0.0.0:9092", "kafka.example:19092", m, "kafka.example:19092"},
		{"127.0.0.1:9092", "0.0.0.0:9092", m, ""},
	} {
		s := &config.Settings{KafkaAddr: c.kafka, AdvertisedAddr: c.advertised}
		got, err := s.Advertised(c.m)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("kafka %q advertised %q: got %q, %v; want %q", c.kafka, c.advertised, got, err, c.want)
		}
	}
}

func TestMemoryIsTheSmallestLimitAboveUs(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	meminfo := file("MemTotal:       8388608 kB\nMemFree: 1 kB\n")
	for name, c := range map[string]struct {
		fs   fstest.MapFS
		want int64
	}{
		"no limit":          {fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("max\n")}, 8 << 30},
		"a parent's limit":  {fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/memory.max": file("1073741824\n")}, 1 << 30},
		"a container's own": {fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/elsewhere\n"), "sys/fs/cgroup/memory.max": file("2147483648\n")}, 2 << 30},
		"version 1":         {fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("5:cpu,memory:/x\n"), "sys/fs/cgroup/memory/x/memory.limit_in_bytes": file("536870912\n")}, 512 << 20},
		"nothing known":     {fstest.MapFS{}, 1 << 30},
	} {
		if got := config.MachineMemory(c.fs); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestSizesAreReadAndWritten(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "1KiB": 1024, "1.5MiB": 1572864, "2G": 2 << 30, "1 MB": 1000000, "-1": -1, "10B": 10} {
		if got, err := config.ParseBytes(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "KiB", "1XB", "9999999999GiB", "NaN", "Inf", "1e30"} {
		if _, err := config.ParseBytes(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	if config.FormatBytes(3<<20) != "3MiB" || config.FormatBytes(1000) != "1000" || config.FormatBytes(0) != "0" {
		t.Error("FormatBytes")
	}
}

func TestEverySettingHasAUniqueNameAndADoc(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range config.Table() {
		for _, name := range []string{d.Key, d.Env()} {
			if seen[name] {
				t.Errorf("%s is not unique", name)
			}
			seen[name] = true
		}
		if d.Doc == "" || d.Allowed() == "" {
			t.Errorf("%s lacks a doc", d.Key)
		}
	}
}
