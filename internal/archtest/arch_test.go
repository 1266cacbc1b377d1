package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is the module's root, as seen from this folder.
const root = "../.."

// imports is the table of docs/architecture.md: cmd → actors → raftactor → storage; actors, raftactor, storage → protocol.
var imports = map[string][]string{
	"actorsystem":       nil,
	"invariant":         nil,
	"protocol":          {"invariant", "actorsystem"},
	"storage/vfs":       {"invariant", "actorsystem"},
	"storage":           {"protocol", "invariant", "actorsystem"},
	"raftactor":         {"storage", "protocol", "invariant", "actorsystem"},
	"actors":            {"raftactor", "storage", "protocol", "invariant", "actorsystem"},
	"config":            nil,
	"admin":             {"config", "actorsystem"},
	"cmd":               {"*"},
	"sim":               {"actors", "raftactor", "storage", "protocol", "invariant", "actorsystem"},
	"bench":             {"actors", "raftactor", "storage", "protocol", "invariant", "actorsystem"},
	"test":              nil,          // black box: it knows the binary and the wire, nothing of the inside
	"bench/load":        {"protocol"}, // a client program: it knows the wire, nothing of the inside; time and goroutines are its own
	"internal/archtest": nil,
	"internal/apitable": {"actors", "raftactor", "storage", "protocol", "invariant", "actorsystem"},
}

// deterministic are the rooms whose code must get time, randomness, disk, network and concurrency from outside.
var deterministic = []string{"actors", "raftactor", "storage"}

// exceptions are the shells: the files that bring the world to the actors.
var exceptions = map[string]Exception{
	"storage/vfs/os.go":                  {[]Rule{World}, "the real file system: the only door to the disk"},
	"storage/vfs/mem.go":                 {[]Rule{Lock}, "the memory disk is shared by goroutines as a real one is"},
	"storage/wal/reader.go":              {[]Rule{Lock}, "readers on many goroutines share a few open files"},
	"storage/segment/pool.go":            {[]Rule{Lock}, "one bounded pool of chunks that the writers and the logs share"},
	"storage/segment/filecache.go":       {[]Rule{Lock}, "one bounded cache of open files that readers share"},
	"storage/segment/reader.go":          {[]Rule{Lock}, "readers on many goroutines list and rebuild old segments one at a time"},
	"storage/segment/readahead_linux.go": {[]Rule{World}, "a hint to the kernel on a descriptor that vfs gave; nothing depends on it"},
	"actors/api/01_fetch_session.go":     {[]Rule{Lock}, "one bounded cache of fetch sessions that all connections share"},
	"actors/broker/broker.go":            {[]Rule{Clock}, "the front door, called from outside of actors: the deadline of a shutdown"},
	"actors/broker/random.go":            {[]Rule{Random}, "the shell for randomness: everything else gets it from there"},
	"actors/connection/wire.go":          {[]Rule{World, Lock}, "the socket shell: reading, writing and sendfile on a client's socket, and who may poll it"},
	"actors/connection/socket.go":        {[]Rule{Lock}, "the socket shell: what reader, actor and writer of one connection share"},
	"actors/connection/listener.go":      {[]Rule{World, Clock, Goroutine}, "the socket shell: accepts on a goroutine, and pauses when descriptors run out"},
	"actors/connection/reader.go":        {[]Rule{World, Goroutine}, "the socket shell: the goroutine that reads frames"},
	"actors/connection/idle.go":          {[]Rule{Clock, Goroutine, Lock}, "the socket shell: one goroutine that waits for all clients that are silent"},
	"actors/connection/poll.go":          {[]Rule{World}, "the socket shell: epoll"},
	"actors/connection/writer.go":        {[]Rule{Clock, Goroutine}, "the socket shell: the goroutine that writes what did not fit at once, and lingers"},
	"actors/connection/budget.go":        {[]Rule{Lock}, "the bytes in flight of all connections, counted by their readers"},
}

func parse(t *testing.T) []File {
	t.Helper()
	files, err := Parse(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("only %d files found; is root right?", len(files))
	}
	return files
}

func TestImportsGoOneWay(t *testing.T) {
	for _, w := range CheckImports(parse(t), imports) {
		t.Error(w)
	}
}

func TestActorsAreDeterministic(t *testing.T) {
	for _, w := range CheckDeterminism(parse(t), deterministic, exceptions) {
		t.Error(w)
	}
}

func TestTheRulesCatchWhatTheyForbid(t *testing.T) {
	dir := t.TempDir()
	write := func(name, src string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(src), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("actors/a/a.go", `package a
import ("os"; clock "time"; "sync"; _ "`+Module+`/cmd/troupe")
var mu sync.Mutex
func f() { go f(); _ = clock.Now(); _ = os.Args; var time struct{ Now int }; _ = time.Now }`)
	write("storage/vfs/v.go", `package vfs
import _ "`+Module+`/storage/wal"`)
	write("stray/s.go", "package stray")
	write("actors/a/a_test.go", "package a\nfunc g() { go g() }")
	write("own/go.mod", "module own")
	write("own/o.go", "package own")
	files, err := Parse(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(append(CheckImports(files, imports), CheckDeterminism(files, deterministic, map[string]Exception{
		"actors/a/a.go": {[]Rule{World, Random}, "a test"}})...), "\n")
	for _, want := range []string{"actors may not import cmd/troupe", "storage/vfs may not import storage/wal", "stray is in no room",
		"starts a goroutine", "uses clock.Now", "uses sync.Mutex", `exception from "random" is not needed`} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n") + 1; n != 7 {
		t.Errorf("%d findings instead of 7:\n%s", n, got)
	}
}
