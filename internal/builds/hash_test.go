package builds

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// hashSeeds is how many universes every variant of the build runs.
const hashSeeds = 60

var summaryLine = regexp.MustCompile(`(?m)^sim: seed=0x[0-9a-f]{16} .* hash=[0-9a-f]{16}$`)

// hashes runs a test binary, by an emulator if one stands before it, and returns the
// summary line of every universe.
func hashes(t *testing.T, binary []string, environment ...string) []string {
	args := append(binary, "-test.run", "^TestSim$", "-test.v", "-seed", "7000", "-seeds", strconv.Itoa(hashSeeds))
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = simulator
	cmd.Env = append(os.Environ(), environment...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	lines := summaryLine.FindAllString(string(out), -1)
	require.Len(t, lines, hashSeeds)
	return lines
}

const simulator = "../../sim"

// build builds the simulator's tests for an architecture.
func build(t *testing.T, architecture string, args ...string) (binary string) {
	binary = filepath.Join(t.TempDir(), "sim.test")
	cmd := exec.Command("go", append([]string{"test", "-c", "-o", binary}, append(args, ".")...)...)
	cmd.Dir = simulator
	cmd.Env = os.Environ()
	if architecture != "" {
		cmd.Env = append(cmd.Env, "GOARCH="+architecture, "CGO_ENABLED=0")
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

// narrow is a build of 32 bits: of 386, or where the kernel runs no such programs, of
// ARM and with an emulator. (QEMU's of 386 does not run Go's threads.)
func narrow(t *testing.T) []string {
	probe := filepath.Join(t.TempDir(), "bits")
	cmd := exec.Command("go", "build", "-o", probe, "./testdata/bits")
	cmd.Env = append(os.Environ(), "GOARCH=386", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.Command(probe).CombinedOutput()
	if !errors.Is(err, syscall.ENOEXEC) {
		require.NoError(t, err, "%s", out)
		require.Equal(t, "32\n", string(out))
		return []string{build(t, "386")}
	}
	for _, emulator := range []string{"qemu-arm-static", "qemu-arm"} {
		if path, err := exec.LookPath(emulator); err == nil {
			return []string{path, build(t, "arm")}
		}
	}
	require.Fail(t, "this kernel runs no programs of 32 bits, and there is no emulator: install qemu-user-static")
	return nil
}

// TestSameHashEverywhere: a universe is a function of its seed alone, whatever
// the process, the number of processors, the garbage collector, the race
// detector and the word size.
func TestSameHashEverywhere(t *testing.T) {
	plain := []string{build(t, "")}
	want := hashes(t, plain, "GOMAXPROCS=1")
	for _, v := range []struct {
		name        string
		binary      []string
		environment string
	}{
		{"another process, two processors", plain, "GOMAXPROCS=2"},
		{"no garbage collection", plain, "GOGC=off"},
		{"constant garbage collection", plain, "GOGC=5"},
		{"race detector", []string{build(t, "", "-race")}, "GOMAXPROCS=2"},
		{"32 bits", narrow(t), "GOMAXPROCS=2"},
	} {
		require.Equal(t, want, hashes(t, v.binary, v.environment), v.name)
	}
}
