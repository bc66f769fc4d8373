package process

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Metrics is an env.Metrics in memory. Its zero value is empty and ready.
type Metrics struct {
	mu       sync.Mutex
	counters map[string]int64
	gauges   map[string]int64
}

var _ env.Metrics = (*Metrics)(nil)

// Add increases a counter.
func (m *Metrics) Add(name string, delta int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counters == nil {
		m.counters = map[string]int64{}
	}
	m.counters[name] += delta
}

// Set sets a gauge.
func (m *Metrics) Set(name string, value int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gauges == nil {
		m.gauges = map[string]int64{}
	}
	m.gauges[name] = value
}

// Counter returns a counter's value, 0 if it was never increased.
func (m *Metrics) Counter(name string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counters[name]
}

// Gauge returns a gauge's value, 0 if it was never set.
func (m *Metrics) Gauge(name string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gauges[name]
}

// WriteTo writes all metrics in Prometheus's text format, the counters first,
// both in order of name.
func (m *Metrics) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	m.mu.Lock()
	write(&b, "counter", m.counters)
	write(&b, "gauge", m.gauges)
	m.mu.Unlock()
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func write(b *strings.Builder, kind string, values map[string]int64) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(b, "# TYPE %s %s\n%s %d\n", name, kind, name, values[name])
	}
}
