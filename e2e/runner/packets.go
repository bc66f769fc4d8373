package runner

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/gauntlet-dst/gauntlet/chaos"
)

// packetFilter drops packets of the loopback network by nftables: TCP sees a
// network that is gone, sends again, and comes back late, which a proxy that stops
// reading is not. What is dropped is an element of a set that expires by itself,
// so that nothing stays cut off if the runner dies.
type packetFilter struct{ table string }

// PacketProblem says why no packets can be dropped on this machine, or returns "".
func PacketProblem() string {
	if _, err := exec.LookPath("nft"); err != nil {
		return "nft is not installed (Debian: apt install nftables)"
	}
	if os.Geteuid() != 0 {
		return "only root may drop packets"
	}
	f, err := newPacketFilter()
	if err != nil {
		return err.Error()
	}
	f.close()
	return ""
}

func newPacketFilter() (*packetFilter, error) {
	f := &packetFilter{table: fmt.Sprintf("gauntlet_e2e_%d", os.Getpid())}
	return f, nft(fmt.Sprintf(`
table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
	set requests { type inet_service; flags timeout; }
	set replies { type inet_service; flags timeout; }
	chain input {
		type filter hook input priority 0;
		tcp dport @requests drop
		tcp sport @replies drop
	}
}`, f.table))
}

// drop drops what is sent to the listener at an address, and what it sends, for a
// while. It does not wait.
func (f *packetFilter) drop(address string, direction chaos.Direction, span time.Duration) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	var script strings.Builder
	add := func(set string) {
		fmt.Fprintf(&script, "add element inet %s %s { %s timeout %dms }\n", f.table, set, port, span.Milliseconds())
	}
	if direction != chaos.DirectionReply {
		add("requests")
	}
	if direction != chaos.DirectionRequest {
		add("replies")
	}
	return nft(script.String())
}

func (f *packetFilter) close() { _ = nft("delete table inet " + f.table) }

func nft(script string) error {
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		text, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
		return fmt.Errorf("nft: %s", text)
	}
	return nil
}
