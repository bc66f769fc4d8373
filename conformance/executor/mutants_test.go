package executor_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/internal/mutants"
)

var (
	planted = flag.Int("mutants", 1, "how many planted bugs TestMutants tries, at most")
	named   = flag.String("mutant", "merge-flip-unfenced", "the planted bugs that TestMutants begins with, by commas")
	budget  = flag.Duration("budget", time.Hour, "after how long TestMutants begins no other mutant (real time)")
	hunted  = flag.Int("hunted", 12, "how many failing plans of each mutant TestMutants compares")
)

const root = "../.."

var (
	agreementLine = regexp.MustCompile(`(?m)^agreement: plans=(\d+) fired_in_both=(\d+) agree=(\d+) \(failing (\d+), by the same invariant (\d+)\) explained=(\d+) unexplained=(\d+)`)
	violationLine = regexp.MustCompile(`(?m)^executor: violation in universe (\d+): (\S+)$`)
	disagreement  = regexp.MustCompile(`(?m)^disagreement\t.*$`)
)

// TestMutants plants bugs into core. The second executor finds them by its own
// sweep, or not, and the two executors agree on the plans by which the simulator
// finds them. It prints a row for each mutant.
func TestMutants(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "testdata", "mutants", "*.patch"))
	require.NoError(t, err)
	files = inOrder(files, strings.Split(*named, ","))
	began, tried, killed := time.Now(), 0, 0
	var sums [7]int
	for _, file := range files {
		if tried == *planted || time.Since(began) > *budget {
			break
		}
		m, err := mutants.Read(file)
		require.NoError(t, err)
		if !strings.Contains(string(m.Patch), "+++ b/core/") {
			continue // a bug of a store or a harness is planted elsewhere
		}
		tried++
		binary := plant(t, m)
		found := violationLine.FindStringSubmatch(inMutant(binary, "TestSweep", "-stop", "-small", "-universes=30"))
		out := inMutant(binary, "TestAgreement", "-failing", "-plans="+strconv.Itoa(*hunted), "-scan=600")
		counts := agreementLine.FindStringSubmatch(out)
		require.NotNil(t, counts, "%s:\n%s", m.Name, out)
		for i, count := range counts[1:] {
			n, _ := strconv.Atoi(count)
			sums[i] += n
		}
		verdict := "survived 30 universes"
		if found != nil {
			killed++
			verdict = found[2] + " in universe " + found[1]
		}
		fmt.Printf("executor-mutant\t%s\t%s\t%s\n", m.Name, verdict, counts[0])
		for _, line := range disagreement.FindAllString(out, -1) {
			fmt.Println(m.Name + "\t" + line)
		}
		if counts[7] != "0" {
			t.Errorf("%s:\n%s", m.Name, out)
		}
		require.NoError(t, os.Remove(binary))
	}
	require.Positive(t, tried)
	fmt.Printf("executor-mutants: tried=%d killed=%d plans=%d fired_in_both=%d agree=%d failing=%d same_invariant=%d explained=%d unexplained=%d\n",
		tried, killed, sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6])
}

// inOrder puts the named ones first, and spreads the others: neighbours in the
// alphabet break alike.
func inOrder(files []string, first []string) (ordered []string) {
	rank := map[string]bool{}
	for _, name := range first {
		file := filepath.Join(root, "testdata", "mutants", name+".patch")
		rank[file] = true
		ordered = append(ordered, file)
	}
	const stride = 5
	for start := range stride {
		for i := start; i < len(files); i += stride {
			if !rank[files[i]] {
				ordered = append(ordered, files[i])
			}
		}
	}
	return ordered
}

// plant builds this package's tests with the bug.
func plant(t *testing.T, m mutants.Mutant) (binary string) {
	overlay, err := m.Plant(root, t.TempDir())
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(file, overlay, 0o600))
	binary = filepath.Join(t.TempDir(), "mutant.test")
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", file, "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s does not build, which is no kill:\n%s", m.Name, out)
	return binary
}

func inMutant(binary, name string, flags ...string) string {
	out, _ := exec.Command(binary, append([]string{"-test.run", "^" + name + "$"}, flags...)...).CombinedOutput()
	return string(out)
}
