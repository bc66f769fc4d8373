package simtest_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// On a terminal the story is printed once, and a sweep shows how far it is.
func TestTerminal(t *testing.T) {
	atFullSize(t)
	dir := outside(t)
	mend(t, filepath.Join(dir, "leasesim", "sim.go"))
	out := onTerminal(t, dir, "go test ./leasesim -seed=42")
	require.Equal(t, 1, strings.Count(out, "sim: seed=0x000000000000002a "), out)
	out = onTerminal(t, dir, "go test ./leasesim -seeds=2000")
	require.Equal(t, 1, strings.Count(out, "sim: total seeds=2000 "), out)
	require.Regexp(t, `\d+ of 2000 universes, \d+/s, \d+.* left, 0 failed`, out)
}

// onTerminal runs a command line with a terminal of its own for output.
func onTerminal(t *testing.T, dir, line string) string {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	defer master.Close()
	fd := int(master.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	cmd := exec.Command("bash", "-c", line)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, slave, slave
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "SIM_SEED=", "SIM_SEEDS=")
	require.NoError(t, cmd.Start())
	require.NoError(t, slave.Close())
	text, _ := io.ReadAll(master) // ends with an error when the last writer has gone
	require.NoError(t, cmd.Wait(), "%s", text)
	return string(text)
}
