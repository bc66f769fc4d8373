package daemon

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// serve serves health and metrics until the server is closed.
func (p *processState) serve() (*http.Server, error) {
	listener, err := net.Listen("tcp", p.cfg.Settings.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: p.handler(), ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener) // until it is closed: its error says no more
	address := listener.Addr().String()
	p.log(slog.LevelInfo, "listening", slog.String("address", address))
	if p.cfg.Serving != nil {
		p.cfg.Serving(address)
	}
	return server, nil
}

func (p *processState) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, p.health().Alive, "alive", "not alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		h := p.health()
		answer(w, h.Ready, "ready", "not ready: "+h.Reason)
	})
	// The default registry has Go's and the process's own metrics.
	all := prometheus.Gatherers{p.metrics.registry, prometheus.DefaultGatherer}
	mux.Handle("GET /metrics", promhttp.HandlerFor(all, promhttp.HandlerOpts{}))
	return mux
}

// answer is one line and 200, or 503.
func answer(w http.ResponseWriter, ok bool, yes, no string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
		yes = no
	}
	io.WriteString(w, yes+"\n")
}
