package runner

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// telling are the metrics that tell how a fault was met.
var telling = []string{
	"units_reaped_total", "resumes_total", "releases_total", "attempts_fenced_total", "leases_given_up_total",
	"txn_conflicts_total", "txn_undetermined_total", "object_retries_total", "merge_claims_total", "publications_total",
}

// counted sums the workers' metrics, those that are not 0. A worker that was
// started again counts from then on.
func (r *run) counted() (list []string) {
	if !r.system.Injects() {
		return nil
	}
	sums := map[string]float64{}
	for _, w := range r.workers {
		resp, err := web.Get("http://" + w.place.Web + "/metrics")
		if err != nil {
			continue // it is down for good
		}
		addMetrics(sums, resp)
	}
	for _, name := range telling {
		if sums[name] > 0 {
			list = append(list, fmt.Sprintf("%s %.0f", strings.TrimSuffix(name, "_total"), sums[name]))
		}
	}
	return list
}

// addMetrics reads lines of Prometheus: gauntlet_NAME{LABELS} VALUE.
func addMetrics(sums map[string]float64, resp *http.Response) {
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		text, ok := strings.CutPrefix(lines.Text(), "gauntlet_")
		at := strings.LastIndexByte(text, ' ')
		if !ok || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(text[at+1:], 64)
		if err == nil {
			name, _, _ := strings.Cut(text[:at], "{")
			sums[name] += value
		}
	}
}
