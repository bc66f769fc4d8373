// Package proxy is a TCP proxy on the loopback network that fails on demand:
// latency, connections that are reset, and directions in which nothing passes any
// more. Its draws are keyed by a seed, a connection's number and a chunk's, so that
// the same traffic meets the same failures.
package proxy

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// Faults are what befalls the traffic. The zero value is none.
type Faults struct {
	// StallRequests and StallReplies hold what is sent to the target, and from it.
	// It passes when they end: TCP loses nothing. New connections are taken, and
	// stall as well.
	StallRequests, StallReplies bool
	// MinLatency and MaxLatency bound the time that each chunk takes in addition,
	// in each direction; a chunk is at most 64 KiB.
	MinLatency, MaxLatency time.Duration
	// ResetRate is the share of chunks, 0 to 1, at which the connection is reset
	// instead.
	ResetRate float64
	// Refuse closes every connection, and new ones at once.
	Refuse bool
}

// Proxy is one listening address.
type Proxy struct {
	seed     uint64
	target   string
	listener net.Listener

	mu      sync.Mutex
	changed *sync.Cond
	faults  Faults
	conns   map[*conn]bool
	next    uint64
	cuts    int
	counts  Counts
	closed  bool
	running sync.WaitGroup
}

// Counts are what a proxy has seen.
type Counts struct {
	Connections int
	Resets      int   // connections that it ended
	Stalls      int   // times that a chunk had to wait for a stall's end
	Cuts        int   // replies that it cut off
	Bytes       int64 // that passed
}

// New opens a proxy on a free port, to target.
func New(target string, seed uint64) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{seed: seed, target: target, listener: listener, conns: map[*conn]bool{}}
	p.changed = sync.NewCond(&p.mu)
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set replaces the faults.
func (p *Proxy) Set(faults Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = faults
	p.changed.Broadcast()
	if faults.Refuse {
		p.resetAll()
	}
}

// Change changes some of the faults.
func (p *Proxy) Change(change func(*Faults)) {
	p.mu.Lock()
	faults := p.faults
	p.mu.Unlock()
	change(&faults)
	p.Set(faults)
}

// CutReplies lets only the half of the next n replies pass, and resets their
// connections then. A chunk of less than 1 KiB counts as none.
func (p *Proxy) CutReplies(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts = n
}

// cut reports whether a chunk is to be cut off.
func (p *Proxy) cut(direction, n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if direction != replies || n < 1024 || p.cuts == 0 {
		return false
	}
	p.cuts--
	p.counts.Cuts++
	p.counts.Resets++
	return true
}

// Reset resets every connection.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resetAll()
}

func (p *Proxy) resetAll() {
	for c := range p.conns {
		p.counts.Resets++
		c.reset()
	}
	clear(p.conns)
}

// Counts returns what has happened so far.
func (p *Proxy) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// Close ends all connections and the proxy.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.resetAll()
	p.changed.Broadcast()
	p.mu.Unlock()
	_ = p.listener.Close()
	p.running.Wait()
}

// conn is a pair of connections.
type conn struct {
	number     uint64
	near, far  net.Conn
	once       sync.Once
	halfClosed sync.WaitGroup
}

// reset ends both with a reset rather than an orderly end.
func (c *conn) reset() {
	c.once.Do(func() {
		for _, side := range []net.Conn{c.near, c.far} {
			if side == nil {
				continue
			}
			if tcp, ok := side.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = side.Close()
		}
	})
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.closed || p.faults.Refuse {
			p.counts.Resets++
			p.mu.Unlock()
			(&conn{near: near}).reset()
			continue
		}
		p.next++
		p.counts.Connections++
		c := &conn{number: p.next, near: near}
		p.mu.Unlock()
		p.running.Go(func() { p.connect(c) })
	}
}

// connect dials the target and pumps until both directions have ended.
func (p *Proxy) connect(c *conn) {
	far, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil {
		c.reset() // the target is down: whoever dials it would be refused
		return
	}
	p.mu.Lock()
	c.far = far
	if p.closed || p.faults.Refuse {
		p.mu.Unlock()
		c.reset()
		return
	}
	p.conns[c] = true
	p.mu.Unlock()
	c.halfClosed.Go(func() { p.pump(c, c.far, c.near, requests) })
	c.halfClosed.Go(func() { p.pump(c, c.near, c.far, replies) })
	c.halfClosed.Wait()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
	_ = c.near.Close()
	_ = far.Close()
}

const (
	requests = iota
	replies
)

var errReset = errors.New("reset")

func (p *Proxy) pump(c *conn, to, from net.Conn, direction int) {
	buffer := make([]byte, 64<<10)
	for chunk := uint64(0); ; chunk++ {
		n, err := from.Read(buffer)
		if n > 0 {
			if p.pass(c, direction, chunk, n) != nil {
				c.reset()
				return
			}
			if p.cut(direction, n) {
				_, _ = to.Write(buffer[:n/2])
				c.reset()
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				c.reset()
				return
			}
		}
		if err != nil {
			if tcp, ok := to.(*net.TCPConn); ok {
				_ = tcp.CloseWrite()
			}
			return
		}
	}
}

// pass waits until a chunk may pass.
func (p *Proxy) pass(c *conn, direction int, chunk uint64, n int) error {
	p.mu.Lock()
	draw := keyed.Mix(keyed.Mix(keyed.Mix(p.seed, c.number), uint64(direction)), chunk)
	if float64(draw>>11)/(1<<53) < p.faults.ResetRate {
		p.counts.Resets++
		p.mu.Unlock()
		return errReset
	}
	latency := p.faults.MinLatency
	if spread := uint64(p.faults.MaxLatency - p.faults.MinLatency); p.faults.MaxLatency > p.faults.MinLatency {
		latency += time.Duration(keyed.Mix(draw, 1) % spread)
	}
	p.mu.Unlock()
	time.Sleep(latency)

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled(direction) {
		p.counts.Stalls++
	}
	for p.stalled(direction) && !p.closed && p.conns[c] {
		p.changed.Wait()
	}
	if p.closed || !p.conns[c] {
		return errReset
	}
	p.counts.Bytes += int64(n)
	return nil
}

func (p *Proxy) stalled(direction int) bool {
	if direction == requests {
		return p.faults.StallRequests
	}
	return p.faults.StallReplies
}
