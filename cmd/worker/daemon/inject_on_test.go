//go:build chaos_testing

package daemon

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/core"
)

const token = "let me in"

// chaos asks the endpoint.
func (w *world) chaos(at, method, shown, body string) (int, string) {
	w.Helper()
	request, err := http.NewRequest(method, "http://"+at+"/chaos", strings.NewReader(body))
	require.NoError(w, err)
	if shown != "" {
		request.Header.Set("Authorization", "Bearer "+shown)
	}
	answer, err := http.DefaultClient.Do(request)
	require.NoError(w, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(w, err)
	return answer.StatusCode, string(text)
}

// TestChaosEndpoint: only who shows the token sets the injector, and a driver
// sees a call being held, and lets it go.
func TestChaosEndpoint(t *testing.T) {
	w := newWorld(t, nil)
	w.config.Settings.ChaosListen, w.config.Token = "127.0.0.1:0", token
	w.run()
	w.until("/readyz", http.StatusOK, "ready\n")
	at := regexp.MustCompile(`can be told to fail.* address=(\S+)`).FindStringSubmatch(w.log.String())[1]

	const rules = "operations:\n  flip:\n    delay_before: {nth: [1], for: 24h}\n"
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		code, _ := w.chaos(at, method, "", rules)
		require.Equal(t, http.StatusUnauthorized, code)
		code, _ = w.chaos(at, method, "let me in!", rules)
		require.Equal(t, http.StatusForbidden, code)
	}
	code, text := w.chaos(at, "GET", token, "")
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"config": "operations: {}\n", "counts": []}`, text)

	code, text = w.chaos(at, "PUT", token, "operations:\n  flop: {}\n")
	require.Equal(t, http.StatusBadRequest, code)
	require.Contains(t, text, "body:2: ")
	code, _ = w.chaos(at, "POST", token, rules)
	require.Equal(t, http.StatusMethodNotAllowed, code)
	code, _ = w.chaos(at, "PUT", token, rules)
	require.Equal(t, http.StatusNoContent, code)

	w.submit(2)
	eventually(w, func() bool {
		_, text = w.chaos(at, "GET", token, "")
		return strings.Contains(text, `"calls":1,"fired":1,"held":1`)
	}, "the flip is not held")
	s, err := w.client.Status(t.Context(), "lab", "kitchen")
	require.NoError(t, err)
	require.Equal(t, core.PhaseMerging, s.Phase)

	code, _ = w.chaos(at, "DELETE", token, "")
	require.Equal(t, http.StatusNoContent, code)
	eventually(w, func() bool {
		s, err := w.client.Status(t.Context(), "lab", "kitchen")
		return err == nil && s.Phase == core.PhaseComplete
	}, "the flip was not let go; the log:\n%s", &w.log)
	require.NotContains(t, w.log.String(), token)
}

// TestChaosNeedsAToken, and a loopback address.
func TestChaosNeedsAToken(t *testing.T) {
	w := newWorld(t, nil)
	w.config.Settings.ChaosListen = "127.0.0.1:0"
	require.EqualError(t, Run(t.Context(), w.config, w.signals), "chaos-listen: no token, allowed: one in GAUNTLET_CHAOS_TOKEN")
	w = newWorld(t, nil)
	w.config.Settings.ChaosListen, w.config.Token = "0.0.0.0:0", token
	require.EqualError(t, Run(t.Context(), w.config, w.signals), "chaos-listen: 0.0.0.0:0 is no loopback address")
}
