package builds

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// symbols builds the worker under testdata and returns the names of the
// functions and variables of package chaos in it, and the binary's path.
func symbols(t *testing.T, tags string) (names []string, binary string) {
	binary = filepath.Join(t.TempDir(), "worker")
	// Without inlining, so that whatever is called leaves its name.
	build := exec.Command("go", "build", "-gcflags="+module+"/...=-l", "-tags", tags, "-o", binary, "./testdata/worker")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.Command("go", "tool", "nm", binary).Output()
	require.NoError(t, err)
	ours := regexp.MustCompile(regexp.QuoteMeta(module+"/chaos.") + `\S+`)
	return ours.FindAllString(string(out), -1), binary
}

const module = "github.com/gauntlet-dst/gauntlet"

// A production binary holds nothing that could inject a failure; one built
// with the tag does, so the test would notice.
func TestWithoutTheTagNothingInjects(t *testing.T) {
	config := filepath.Join(t.TempDir(), "chaos.yaml")
	require.NoError(t, os.WriteFile(config, []byte("operations: {kv.begin: {fail_before: {once: true}}}\n"), 0o600))

	production, binary := symbols(t, "")
	require.Equal(t, []string{module + "/chaos.Wrap"}, production)
	require.Equal(t, "<nil>\n", output(t, binary))
	require.Equal(t, "chaos: "+config+" given to a binary built without chaos_testing; build with -tags chaos_testing\n", output(t, binary, config))

	testing, binary := symbols(t, "chaos_testing")
	all := strings.Join(testing, "\n")
	for _, name := range []string{"(*Injector).MaybeFail", "(*Injector).failBefore", "(*InjectedError).Error", "NewInjector", "Parse"} {
		require.Contains(t, all, name)
	}
	require.Equal(t, "<nil>\n", output(t, binary))
	require.Equal(t, "chaos: kv.begin: unavailable (injected, not applied)\n", output(t, binary, config))
}

func output(t *testing.T, binary string, args ...string) string {
	out, err := exec.Command(binary, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}
