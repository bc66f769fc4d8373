package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryPackageIsTested: .ci/run runs the tests of every package of this module, by
// itself or by the targets of the Makefile that it makes. Eight packages, with the
// reduction of failures among them, were run by nobody for a while, and one did fail.
func TestEveryPackageIsTested(t *testing.T) {
	tested := testedPatterns(t)
	require.Contains(t, tested, "./core/...")
	n := 0
	for _, dir := range packagesWithTests(t, filepath.Join("..", "..")) {
		n++
		require.True(t, matchesAny(tested, dir), "no step of .ci/run tests %s: ALL in the Makefile, for instance, may list it", dir)
	}
	require.Greater(t, n, 50)
	require.False(t, matchesAny(tested, "./internal/nosuch"))
}

// testedPatterns are the packages that commands with "go test" name, in .ci/run and in
// what it makes.
func testedPatterns(t *testing.T) (patterns []string) {
	script, err := os.ReadFile(filepath.Join("..", "..", ".ci", "run"))
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	require.NoError(t, err)
	makefile := string(text)
	for range 2 { // ALL begins with TESTED
		for _, variable := range regexp.MustCompile(`(?m)^([A-Z0-9]+) = (.*)$`).FindAllStringSubmatch(makefile, -1) {
			makefile = strings.ReplaceAll(makefile, "$("+variable[1]+")", variable[2])
		}
	}
	commands := string(script)
	for _, made := range regexp.MustCompile(`-- make ([a-z0-9-]+)`).FindAllStringSubmatch(commands, -1) {
		recipe := regexp.MustCompile(`(?m)^` + made[1] + `:.*\n((?:\t.*\n)*)`).FindStringSubmatch(makefile)
		require.NotNil(t, recipe, "no target %s", made[1])
		commands += recipe[1]
	}
	for line := range strings.Lines(commands) {
		if !strings.Contains(line, "go test") || strings.Contains(line, "cd ") {
			continue
		}
		for _, word := range strings.Fields(line) {
			if strings.HasPrefix(word, "./") && word != "./..." {
				patterns = append(patterns, word)
			}
		}
	}
	return patterns
}

func matchesAny(patterns []string, dir string) bool {
	for _, p := range patterns {
		below, all := strings.CutSuffix(p, "/...")
		if dir == below || all && strings.HasPrefix(dir, below+"/") {
			return true
		}
	}
	return false
}

// packagesWithTests are the folders of the module that have tests, without those of other
// modules below it.
func packagesWithTests(t *testing.T, root string) (dirs []string) {
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != root && (name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != root {
			return filepath.SkipDir
		}
		tests, err := filepath.Glob(filepath.Join(path, "*_test.go"))
		if len(tests) > 0 {
			relative, _ := filepath.Rel(root, path)
			dirs = append(dirs, "./"+filepath.ToSlash(relative))
		}
		return err
	}))
	return dirs
}
