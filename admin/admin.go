// Package admin is what a broker shows of itself over HTTP: metrics, health, its actors, its state, its settings, profiles.
//
// The handlers are pure: they read a Source and write an answer. Nothing here changes the broker.
package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/config"
)

// Source is what the handlers show. Safe for concurrent use; all of it may be called while the broker starts and stops.
type Source interface {
	// Healthy is nil unless the broker has failed for good.
	Healthy() error
	// Ready is nil when a client can produce now; else it says what is missing.
	Ready() error
	// Actors lists every live actor; nil while there is none yet.
	Actors() []actorsystem.Info
	// RestartsByKind counts actor restarts since start.
	RestartsByKind() map[string]uint64
	// Status marshals to JSON.
	Status() any
	// Cleaner is what log compaction does; it marshals to JSON.
	Cleaner() any
	// Settings are the settings in force.
	Settings() []config.Value
}

// Handler serves the admin endpoints.
func Handler(src Source, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { verdict(w, src.Healthy()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { verdict(w, src.Ready()) })
	mux.HandleFunc("GET /v1/actors", func(w http.ResponseWriter, _ *http.Request) {
		actors := src.Actors()
		if actors == nil {
			actors = []actorsystem.Info{}
		}
		answer(w, actors)
	})
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { answer(w, src.Status()) })
	mux.HandleFunc("GET /v1/cleaner", func(w http.ResponseWriter, _ *http.Request) { answer(w, src.Cleaner()) })
	mux.HandleFunc("GET /v1/config", func(w http.ResponseWriter, _ *http.Request) { answer(w, src.Settings()) })
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /{$}", index)
	return mux
}

// ErrStarting is Source.Ready's answer before there is a broker.
var ErrStarting = errors.New("starting")

func verdict(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(err.Error() + "\n"))
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

func answer(w http.ResponseWriter, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, "encode the answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n'))
}

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(`Troupe's admin address
/metrics       Prometheus
/healthz       200 unless the broker has failed
/readyz        200 when a client can produce
/v1/actors     every actor
/v1/status     partitions, offsets, leaders
/v1/cleaner    log compaction: dirty ratios, progress, what it reclaimed
/v1/config     settings in force and where they came from
/debug/pprof/  profiles
`))
}
