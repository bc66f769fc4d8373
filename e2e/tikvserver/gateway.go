package tikvserver

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/gauntlet-dst/gauntlet/backend/process"
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// Gateway is the cluster over HTTP and JSON, for languages that have no TiKV
// client: the same rows, and the same optimistic transactions with the client of
// package fakes/tikv. TiKV itself has no such thing.
//
//	POST /begin   {}                                         -> {"txn": ID, "start_ts": N}
//	POST /get     {"txn": ID, "key": K}                      -> {"value": V}, null if there is none
//	POST /scan    {"txn": ID, "from": K, "to": K, "limit": N} -> {"pairs": [{"key": K, "value": V}, ...]}
//	POST /commit  {"txn": ID, "put": {K: V}, "delete": [K], "lock": [K]} -> {}
//	POST /rollback {"txn": ID}                               -> {}
//
// Keys and values are text; a field "base64": true in a request says that values
// are base64 there and in the answer. Statuses: 409 another transaction won, and
// nothing was applied; 503 nothing was applied, try again; 504 it may have been
// applied, and may still be; 400 it can never work; 404 there is no such
// transaction: it has ended, the server was restarted, or a minute went by.
type Gateway struct {
	client *tikv.Client

	mu   sync.Mutex
	open map[string]*session
	next uint64
}

// session is a transaction between two requests.
type session struct {
	mu   sync.Mutex
	txn  env.Txn
	used time.Time
}

// sessionLife is how long a transaction may go without a request.
const sessionLife = time.Minute

// Gateway returns a handler of HTTP requests.
func (s *Server) Gateway() *Gateway {
	c := process.NewClock(clock.New())
	return &Gateway{
		client: tikv.NewClient(transport{s}, c, process.NewRand(process.RandomSeed()), tikv.ClientConfig{}),
		open:   map[string]*session{},
	}
}

// transport carries the gateway's own requests to the engine.
type transport struct{ *Server }

func (t transport) Send(ctx context.Context, req *tikv.Request, resp *tikv.Response, _ time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var err error
	if req.Kind == tikv.KindTSO {
		resp.TS, err = t.timestamps(1)
	} else {
		*resp, err = t.one(*req)
	}
	return err
}

// call is a request's body.
type call struct {
	Txn    string            `json:"txn"`
	Key    string            `json:"key"`
	From   string            `json:"from"`
	To     string            `json:"to"`
	Limit  int               `json:"limit"`
	Put    map[string]string `json:"put"`
	Delete []string          `json:"delete"`
	Lock   []string          `json:"lock"`
	Base64 bool              `json:"base64"`
}

func (c *call) show(value []byte) string {
	if c.Base64 {
		return base64.StdEncoding.EncodeToString(value)
	}
	return string(value)
}

func (c *call) read(text string) ([]byte, error) {
	if c.Base64 {
		return base64.StdEncoding.DecodeString(text)
	}
	return []byte(text), nil
}

// answer is what is written as JSON.
type answer map[string]any

var errNoTxn = errors.New("there is no such transaction")

func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var c call
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxMessage))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		reply(w, http.StatusBadRequest, answer{"error": err.Error()})
		return
	}
	do, ok := map[string]func(context.Context, *call) (answer, error){
		"/begin": g.begin, "/get": g.get, "/scan": g.scan, "/commit": g.commit, "/rollback": g.rollback,
	}[r.URL.Path]
	if !ok || r.Method != http.MethodPost {
		reply(w, http.StatusBadRequest, answer{"error": "allowed: POST /begin, /get, /scan, /commit, /rollback"})
		return
	}
	got, err := do(r.Context(), &c)
	if err != nil {
		reply(w, statusOf(err), answer{"error": err.Error()})
		return
	}
	reply(w, http.StatusOK, got)
}

func reply(w http.ResponseWriter, status int, body answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller may be gone
}

func statusOf(err error) int {
	switch env.ClassOf(err) {
	case env.ClassConflict:
		return http.StatusConflict
	case env.ClassUnavailable:
		return http.StatusServiceUnavailable
	case env.ClassInvalid:
		return http.StatusBadRequest
	}
	if errors.Is(err, errNoTxn) {
		return http.StatusNotFound
	}
	return http.StatusGatewayTimeout
}

func (g *Gateway) begin(ctx context.Context, _ *call) (answer, error) {
	txn, err := g.client.Begin(ctx)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for id, s := range g.open {
		if now.Sub(s.used) > sessionLife {
			delete(g.open, id)
		}
	}
	g.next++
	// The timestamp makes the name one that no earlier server has given.
	id := strconv.FormatUint(txn.StartTS(), 36) + "-" + strconv.FormatUint(g.next, 36)
	g.open[id] = &session{txn: txn, used: now}
	return answer{"txn": id, "start_ts": txn.StartTS()}, nil
}

// with calls do with a transaction; it is gone afterwards if it ends.
func (g *Gateway) with(c *call, ends bool, do func(env.Txn) (answer, error)) (answer, error) {
	g.mu.Lock()
	s := g.open[c.Txn]
	if s != nil {
		s.used = time.Now()
	}
	if ends {
		delete(g.open, c.Txn)
	}
	g.mu.Unlock()
	if s == nil {
		return nil, errNoTxn
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return do(s.txn)
}

func (g *Gateway) get(ctx context.Context, c *call) (answer, error) {
	return g.with(c, false, func(txn env.Txn) (answer, error) {
		value, err := txn.Get(ctx, c.Key)
		if errors.Is(err, env.ErrNotFound) {
			return answer{"value": nil}, nil
		}
		return answer{"value": c.show(value)}, err
	})
}

func (g *Gateway) scan(ctx context.Context, c *call) (answer, error) {
	return g.with(c, false, func(txn env.Txn) (answer, error) {
		pairs, err := txn.Scan(ctx, c.From, c.To, c.Limit)
		list := make([]answer, len(pairs))
		for i, p := range pairs {
			list[i] = answer{"key": p.Key, "value": c.show(p.Value)}
		}
		return answer{"pairs": list}, err
	})
}

func (g *Gateway) commit(ctx context.Context, c *call) (answer, error) {
	return g.with(c, true, func(txn env.Txn) (answer, error) {
		for key, text := range c.Put {
			value, err := c.read(text)
			if err != nil {
				return nil, &env.Error{Class: env.ClassInvalid, Op: "commit", Key: key, Err: err}
			}
			txn.Put(key, value)
		}
		for _, key := range c.Delete {
			txn.Delete(key)
		}
		txn.Lock(c.Lock...)
		// A caller that goes away leaves the commit to its end.
		return answer{}, txn.Commit(context.WithoutCancel(ctx))
	})
}

func (g *Gateway) rollback(_ context.Context, c *call) (answer, error) {
	return g.with(c, true, func(txn env.Txn) (answer, error) {
		txn.Rollback()
		return answer{}, nil
	})
}
