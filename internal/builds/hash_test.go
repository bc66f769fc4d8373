package builds

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// hashSeeds is how many universes every variant of the build runs.
const hashSeeds = 60

var summaryLine = regexp.MustCompile(`(?m)^sim: seed=0x[0-9a-f]{16} .* hash=[0-9a-f]{16}$`)

// hashes runs the binary and returns the summary line of every universe.
func hashes(t *testing.T, binary string, environment ...string) []string {
	cmd := exec.Command(binary, "-test.run", "^TestSim$", "-test.v", "-seed", "7000", "-seeds", strconv.Itoa(hashSeeds))
	cmd.Dir = simulator
	cmd.Env = append(os.Environ(), environment...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	lines := summaryLine.FindAllString(string(out), -1)
	require.Len(t, lines, hashSeeds)
	return lines
}

const simulator = "../../sim"

// TestSameHashEverywhere: a universe is a function of its seed alone, whatever
// the process, the number of processors, the garbage collector, the race
// detector and the word size.
func TestSameHashEverywhere(t *testing.T) {
	dir := t.TempDir()
	build := func(name string, environment []string, args ...string) string {
		binary := filepath.Join(dir, name)
		cmd := exec.Command("go", append([]string{"test", "-c", "-o", binary}, append(args, ".")...)...)
		cmd.Dir = simulator
		cmd.Env = append(os.Environ(), environment...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return binary
	}
	plain := build("plain.test", nil)
	want := hashes(t, plain, "GOMAXPROCS=1")
	for _, v := range []struct {
		name        string
		binary      string
		environment string
	}{
		{"another process, two processors", plain, "GOMAXPROCS=2"},
		{"no garbage collection", plain, "GOGC=off"},
		{"constant garbage collection", plain, "GOGC=5"},
		{"race detector", build("race.test", nil, "-race"), "GOMAXPROCS=2"},
		{"32 bits", build("386.test", []string{"GOARCH=386", "CGO_ENABLED=0"}), "GOMAXPROCS=2"},
	} {
		require.Equal(t, want, hashes(t, v.binary, v.environment), v.name)
	}
}
