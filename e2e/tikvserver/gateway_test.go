package tikvserver_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/e2e/tikvserver"
)

// TestGateway: transactions over HTTP see snapshots and conflict as any others.
func TestGateway(t *testing.T) {
	server, _, err := tikvserver.New(tikvserver.Config{Log: filepath.Join(t.TempDir(), "log")})
	require.NoError(t, err)
	web := httptest.NewServer(server.Gateway())
	t.Cleanup(func() {
		web.Close()
		require.NoError(t, server.Close())
	})
	call := func(status int, path string, body map[string]any) map[string]any {
		t.Helper()
		text, err := json.Marshal(body)
		require.NoError(t, err)
		resp, err := http.Post(web.URL+path, "application/json", bytes.NewReader(text))
		require.NoError(t, err)
		defer resp.Body.Close()
		var got map[string]any
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&got))
		require.Equal(t, status, resp.StatusCode, "%v", got)
		return got
	}
	type m = map[string]any
	begin := func() any { return call(200, "/begin", m{})["txn"] }

	first, second := begin(), begin()
	require.Equal(t, m{"value": nil}, call(200, "/get", m{"txn": first, "key": "a"}))
	call(200, "/commit", m{"txn": first, "put": m{"a": "1", "b": "2"}})
	call(409, "/commit", m{"txn": second, "put": m{"b": "3"}})
	call(404, "/get", m{"txn": first, "key": "a"})
	third := begin()
	require.Equal(t, m{"value": "1"}, call(200, "/get", m{"txn": third, "key": "a"}))
	require.Equal(t, m{"pairs": []any{m{"key": "a", "value": "MQ=="}}},
		call(200, "/scan", m{"txn": third, "from": "", "to": "", "limit": 1, "base64": true}))
	call(200, "/commit", m{"txn": begin(), "put": m{"c": "AAE="}, "base64": true, "delete": []string{"a"}})
	call(409, "/commit", m{"txn": third, "lock": []string{"a"}, "put": m{"d": "x"}})
	call(400, "/commit", m{"txn": begin(), "put": m{"e": ""}})
	call(400, "/begin", m{"other": 1})
	call(400, "/other", m{})
	fourth := begin()
	require.Equal(t, m{"value": nil}, call(200, "/get", m{"txn": fourth, "key": "a"}))
	call(200, "/rollback", m{"txn": fourth})
}
