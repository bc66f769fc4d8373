//go:build chaos_testing

package daemon

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/chaos/protocol"
	"github.com/gauntlet-dst/gauntlet/cmd/worker/settings"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// injection is an injector around the process's stores and steps, and the
// endpoint that sets it:
//
//	PUT    /chaos   replaces the configuration by the body's, YAML as chaos.Parse reads it
//	GET    /chaos   tells the configuration and what each rule has done, as JSON
//	DELETE /chaos   takes all rules away
//
// PUT and DELETE let calls go on that a rule makes wait. "held" counts such
// calls: a driver that waits for held > 0 can kill the process exactly there.
// Every request shows the token, as "Authorization: Bearer TOKEN".
type injection struct {
	injector *chaos.Injector
	server   *http.Server
	token    string
}

// newInjection serves the endpoint at a loopback address, "" for not at all.
func newInjection(listen, token string, clock env.Clock, log env.Log) (*injection, error) {
	if listen == "" {
		return nil, nil
	}
	if token == "" {
		return nil, errors.New("chaos-listen: no token, allowed: one in " + settings.TokenVariable)
	}
	injector, err := chaos.NewInjector(chaos.Config{}, protocol.Catalogue(), clock, log)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("chaos-listen: %w", err)
	}
	if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		listener.Close()
		return nil, errors.New("chaos-listen: " + listen + " is no loopback address")
	}
	i := &injection{injector: injector, token: token}
	i.server = &http.Server{Handler: i.handler(), ReadHeaderTimeout: 10 * time.Second}
	go i.server.Serve(listener) // until it is closed: its error says no more
	log.Log(context.Background(), slog.LevelWarn, "this process can be told to fail", slog.String("address", listener.Addr().String()))
	return i, nil
}

func (i *injection) wrap(e *env.Env) *env.Env {
	if i == nil {
		return e
	}
	wrapped := *e
	wrapped.Runtime = i.injector.WrapRuntime(e.Runtime)
	wrapped.KV = i.injector.WrapKV(e.KV)
	wrapped.Objects = i.injector.WrapObjects(e.Objects)
	return &wrapped
}

func (i *injection) close() {
	if i != nil {
		i.server.Close()
	}
}

func (i *injection) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /chaos", i.put)
	mux.HandleFunc("GET /chaos", i.get)
	mux.HandleFunc("DELETE /chaos", func(w http.ResponseWriter, _ *http.Request) { i.set(w, chaos.Config{}) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case !ok:
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "no token, allowed: Authorization: Bearer TOKEN", http.StatusUnauthorized)
		case subtle.ConstantTimeCompare([]byte(shown), []byte(i.token)) != 1:
			http.Error(w, "wrong token", http.StatusForbidden)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

func (i *injection) put(w http.ResponseWriter, r *http.Request) {
	// One byte more than allowed, so that Parse sees that it is too much.
	text, err := io.ReadAll(io.LimitReader(r.Body, chaos.MaxConfigBytes+1))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	config, err := chaos.Parse("body", text, protocol.Catalogue())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	i.set(w, config)
}

func (i *injection) set(w http.ResponseWriter, config chaos.Config) {
	if err := i.injector.Set(config); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// told is the answer to GET.
type told struct {
	Config string  `json:"config"` // YAML
	Counts []count `json:"counts"`
}

type count struct {
	Operation string `json:"operation"`
	Point     string `json:"point"`
	Calls     int    `json:"calls"`
	Fired     int    `json:"fired"`
	Held      int    `json:"held"`
}

func (i *injection) get(w http.ResponseWriter, _ *http.Request) {
	answer := told{Config: string(i.injector.Config().Marshal()), Counts: []count{}}
	for _, c := range i.injector.Counts() {
		answer.Counts = append(answer.Counts, count(c))
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}
