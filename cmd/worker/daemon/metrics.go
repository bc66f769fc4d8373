package daemon

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gauntlet-dst/gauntlet/cmd/worker/settings"
	"github.com/gauntlet-dst/gauntlet/core"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Metric is one line of the table of metrics.
type Metric struct{ Name, Meaning string }

// namespace begins the name of every metric.
const namespace = "gauntlet"

// Metrics lists what core counts. All of them are there from the start, at 0,
// so that a rate can be taken of the first event.
var Metrics = []Metric{
	{"claims_total", "attempts begun: units claimed"},
	{"units_completed_total", "units converted and staged"},
	{"frames_converted_total", "frames converted, those of attempts that came to nothing included"},
	{"converted_bytes_total", "bytes written to staging"},
	{"attempts_failed_total", "attempts that ended in an error of the recording or of the conversion"},
	{"attempts_fenced_total", "attempts that found their unit taken away, and stopped without effect"},
	{"releases_total", "units given back by a draining worker, at no cost of an attempt"},
	{"resumes_total", "attempts that went on from a predecessor's checkpoint"},
	{"checkpoints_total", "checkpoints written"},
	{"heartbeats_total", "leases renewed"},
	{"leases_given_up_total", "leases that their owner gave up, since it could not renew them"},
	{"units_reaped_total", "units taken away from owners that have gone silent"},
	{"claim_errors_total", "looks for work that failed, most of them for an outage"},
	{"round_errors_total", "rounds of scanner, controller, reaper, merger and janitor that failed"},
	{"batches_failed_total", "batches that this process found failed"},
	{"leaderships_total", "times that this process became the leading scanner"},
	{"merge_claims_total", "merges claimed"},
	{"publications_total", "datasets published"},
	{"object_retries_total", "calls to the object store that were tried again"},
	{"txn_conflicts_total", "transactions that lost against another writer and were tried again"},
	{"txn_undetermined_total", "commits whose outcome was unknown at first"},
	{"objects_collected_total", "objects deleted that nobody names any more"},
	{"uploads_collected_total", "open uploads dropped that nobody names any more"},
	{"temp_remove_errors_total", "entries of the scratch directory that could not be removed"},
}

// metrics is an env.Metrics that Prometheus reads.
type metrics struct {
	registry *prometheus.Registry

	mu       sync.Mutex
	counters map[string]prometheus.Counter
	gauges   map[string]prometheus.Gauge
}

var _ env.Metrics = (*metrics)(nil)

func newMetrics(self env.Process, roles core.Role) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		counters: map[string]prometheus.Counter{}, gauges: map[string]prometheus.Gauge{},
	}
	for _, one := range Metrics {
		m.counter(one.Name, one.Meaning)
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "process_info", Help: "1, with the process's name, its incarnation and its roles",
		ConstLabels: prometheus.Labels{"process": self.Name, "incarnation": self.Incarnation, "roles": strings.Join(settings.RoleNames(roles), ",")},
	})
	info.Set(1)
	m.registry.MustRegister(info)
	return m
}

// readiness adds the gauge that says what /readyz says.
func (m *metrics) readiness(ready func() bool) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "ready", Help: "1 while /readyz says so, else 0",
	}, func() float64 {
		if ready() {
			return 1
		}
		return 0
	}))
}

// Add increases a counter.
func (m *metrics) Add(name string, delta int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counter(name, "").Add(float64(delta))
}

// Set sets a gauge.
func (m *metrics) Set(name string, value int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.gauges[name]
	if g == nil {
		g = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name})
		m.registry.MustRegister(g)
		m.gauges[name] = g
	}
	g.Set(float64(value))
}

// counter returns a counter, which is made when it is first asked for.
func (m *metrics) counter(name, help string) prometheus.Counter {
	c := m.counters[name]
	if c == nil {
		c = prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
		m.registry.MustRegister(c)
		m.counters[name] = c
	}
	return c
}
