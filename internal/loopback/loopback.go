// Package loopback finds addresses of this machine for servers that tests start,
// kill and start again at the same place.
package loopback

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
)

// Ports are looked for between these two: above what needs privileges and what
// most services use, below what the kernel hands out for port 0 and to clients
// (from 32768 on in Linux, ip_local_port_range; from 49152 on by RFC 6335).
//
// A port that was asked from the kernel and closed again belongs to nobody until
// its server runs, and each time that it is killed:
//
//  1. a run asks for 10 free ports and closes them;
//  2. its 12 proxies listen at port 0, and one gets a port of those 10;
//  3. the server for which it was meant cannot start.
//
// That ended about one run in sixty.
const (
	lowest = 10_000
	beyond = 32_768
)

var (
	mu   sync.Mutex
	next = lowest + os.Getpid()*61%(beyond-lowest) // processes begin apart
)

// Addresses returns n addresses, HOST:PORT, at which nobody listens. The same one
// is not returned twice by one process, before all others were.
func Addresses(n int) ([]string, error) {
	mu.Lock()
	defer mu.Unlock()
	var free []string
	for range beyond - lowest {
		if len(free) == n {
			return free, nil
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(next))
		if next++; next == beyond {
			next = lowest
		}
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			free = append(free, address)
		}
	}
	return nil, fmt.Errorf("%d of %d addresses of 127.0.0.1 are free, ports %d to %d", len(free), n, lowest, beyond-1)
}
