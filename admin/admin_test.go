package admin_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/admin"
	"github.com/troupe-io/troupe/config"
)

type source struct {
	healthy, ready error
	actors         []actorsystem.Info
}

func (s *source) Healthy() error                    { return s.healthy }
func (s *source) Ready() error                      { return s.ready }
func (s *source) Actors() []actorsystem.Info        { return s.actors }
func (s *source) RestartsByKind() map[string]uint64 { return map[string]uint64{"partition": 2} }
func (s *source) Status() any                       { return map[string]int{"partitions": 3} }
func (s *source) Cleaner() any                      { return map[string]string{"state": "idle"} }
func (s *source) Settings() []config.Value          { return []config.Value{{Key: "node-id", Value: "1"}} }

func get(t *testing.T, src *source, path string) (int, string) {
	t.Helper()
	reg := admin.NewRegistry("test")
	reg.MustRegister(admin.NewActorMetrics(src))
	w := httptest.NewRecorder()
	admin.Handler(src, reg).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func TestReadyIs503UntilAClientCanProduceAndSaysWhy(t *testing.T) {
	src := &source{ready: errors.New("recovering the log")}
	if code, body := get(t, src, "/readyz"); code != 503 || !strings.Contains(body, "recovering the log") {
		t.Fatalf("%d %s", code, body)
	}
	src.ready = nil
	if code, _ := get(t, src, "/readyz"); code != 200 {
		t.Fatal(code)
	}
	if code, _ := get(t, src, "/healthz"); code != 200 {
		t.Fatal(code)
	}
	src.healthy = errors.New("fsync failed")
	if code, body := get(t, src, "/healthz"); code != 503 || !strings.Contains(body, "fsync failed") {
		t.Fatalf("%d %s", code, body)
	}
}

func TestActorsAreAListWithTheNamesThatOthersRelyOn(t *testing.T) {
	src := &source{}
	if _, body := get(t, src, "/v1/actors"); strings.TrimSpace(body) != "[]" {
		t.Fatalf("no actors: %q", body)
	}
	src.actors = []actorsystem.Info{{Kind: "partition", Name: "t-0", Parent: "broker/1", State: actorsystem.Running}}
	_, body := get(t, src, "/v1/actors")
	var list []map[string]any
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != 1 {
		t.Fatalf("%v %s", err, body)
	}
	for _, key := range []string{"kind", "name", "parent", "state", "mailbox_depth", "mailbox_oldest_ms", "handled_total", "restarts_total", "last_panic"} {
		if _, ok := list[0][key]; !ok {
			t.Errorf("%s is missing", key)
		}
	}
}

func TestMetricsTellActorsByKind(t *testing.T) {
	src := &source{actors: []actorsystem.Info{
		{Kind: "partition", Name: "t-0", State: actorsystem.Running, MailboxDepth: 3, MailboxOldestMs: 1500},
		{Kind: "partition", Name: "t-1", State: actorsystem.Running, MailboxDepth: 4},
		{Kind: "wal", Name: "1", State: actorsystem.Running}}}
	_, body := get(t, src, "/metrics")
	for _, want := range []string{`troupe_actors{kind="partition",state="running"} 2`, `troupe_actor_mailbox_depth{kind="partition"} 7`,
		`troupe_actor_mailbox_depth_max{kind="partition"} 4`, `troupe_actor_mailbox_oldest_seconds{kind="partition"} 1.5`,
		`troupe_actor_restarts_total{kind="partition"} 2`, `troupe_actor_restarts_total{kind="wal"} 0`, "go_goroutines", `version="test"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestStatusAndConfigAreJSON(t *testing.T) {
	for _, path := range []string{"/v1/status", "/v1/config"} {
		code, body := get(t, &source{}, path)
		if code != 200 || !json.Valid([]byte(body)) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if code, _ := get(t, &source{}, "/nothing"); code != 404 {
		t.Error(code)
	}
}

func TestTheServerAnswersOnAFreePort(t *testing.T) {
	s, err := admin.Listen("127.0.0.1:0", admin.Handler(&source{}, admin.NewRegistry("test")))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	resp, err := http.Get("http://" + s.Addr() + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if !strings.Contains(string(body), "/readyz") {
		t.Fatal(string(body))
	}
	if _, err := admin.Listen(s.Addr(), nil); err == nil || !strings.Contains(err.Error(), "--admin-addr") {
		t.Fatalf("a taken port: %v", err)
	}
}
