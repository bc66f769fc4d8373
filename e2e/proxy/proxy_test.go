package proxy_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/e2e/proxy"
)

// echo serves what it is sent, and returns its address.
func echo(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func open(t *testing.T, seed uint64) (*proxy.Proxy, func() net.Conn) {
	p, err := proxy.New(echo(t), seed)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p, func() net.Conn {
		c, err := net.Dial("tcp", p.Addr())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
}

func send(t *testing.T, c net.Conn, text string) {
	_, err := c.Write([]byte(text))
	require.NoError(t, err)
}

func hear(t *testing.T, c net.Conn, text string) {
	got := make([]byte, len(text))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

func TestPasses(t *testing.T) {
	p, dial := open(t, 1)
	c := dial()
	send(t, c, "hello")
	hear(t, c, "hello")
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	_, err := c.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err, "an end is passed on")
	require.Equal(t, proxy.Counts{Connections: 1, Bytes: 10}, p.Counts())
}

// TestStalls: what is held in one direction passes when the stall ends, once and
// whole.
func TestStalls(t *testing.T) {
	for name, stall := range map[string]proxy.Faults{
		"requests": {StallRequests: true}, "replies": {StallReplies: true},
	} {
		t.Run(name, func(t *testing.T) {
			p, dial := open(t, 1)
			c := dial()
			send(t, c, "1")
			hear(t, c, "1")
			p.Set(stall)
			send(t, c, "2")
			require.Eventually(t, func() bool { return p.Counts().Stalls == 1 }, waitFor, tick)
			passed := p.Counts().Bytes
			if stall.StallReplies {
				require.EqualValues(t, 3, passed, "the request has passed, its reply has not")
			} else {
				require.EqualValues(t, 2, passed)
			}
			p.Set(proxy.Faults{})
			hear(t, c, "2")
			require.EqualValues(t, 4, p.Counts().Bytes)
		})
	}
}

func TestResets(t *testing.T) {
	p, dial := open(t, 1)
	c := dial()
	send(t, c, "1")
	hear(t, c, "1")
	p.Reset()
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotEqual(t, io.EOF, err, "a reset is no end")

	c = dial()
	send(t, c, "2")
	hear(t, c, "2")
	p.Set(proxy.Faults{Refuse: true})
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	// The reset may be there before the dialer knows that it is connected.
	refused, err := net.Dial("tcp", p.Addr())
	if err == nil {
		defer refused.Close()
		_, err = refused.Read(make([]byte, 1))
	}
	require.Error(t, err)
}

func TestCutReplies(t *testing.T) {
	p, dial := open(t, 1)
	p.CutReplies(1)
	c := dial()
	send(t, c, "small")
	hear(t, c, "small")
	send(t, c, strings.Repeat("x", 2000))
	got, err := io.ReadAll(c)
	require.Error(t, err)
	require.Less(t, len(got), 2000)
	require.Equal(t, 1, p.Counts().Cuts)
}

// TestSeeded: the same seed resets the same connections at the same chunks.
func TestSeeded(t *testing.T) {
	run := func(seed uint64) (lived []int) {
		p, dial := open(t, seed)
		p.Set(proxy.Faults{ResetRate: 0.1})
		for range 8 {
			c := dial()
			n := 0
			for ; n < 50; n++ {
				if _, err := c.Write([]byte("x")); err != nil {
					break
				}
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					break
				}
			}
			lived = append(lived, n)
		}
		return lived
	}
	require.Equal(t, run(7), run(7))
	require.NotEqual(t, run(7), run(8))
}

const (
	waitFor = 10 * time.Second
	tick    = time.Millisecond
)
