package runner

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Binaries are the programs of a run.
type Binaries struct {
	TiKVServer, S3Server string
	// VersityGW is the other S3 server; "" means that S3Server serves.
	VersityGW string
	// Worker is cmd/worker, built with -tags chaos_testing.
	Worker string
}

// Build builds the programs of this project into dir, from the module's source at
// root. The worker is left out if without.
func Build(root, dir string, worker bool) (Binaries, error) {
	b := Binaries{TiKVServer: filepath.Join(dir, "tikv-server"), S3Server: filepath.Join(dir, "s3-server")}
	builds := [][]string{
		{filepath.Join(root, "e2e"), "-o", b.TiKVServer, "./cmd/tikv-server"},
		{filepath.Join(root, "e2e"), "-o", b.S3Server, "./cmd/s3-server"},
	}
	if worker {
		b.Worker = filepath.Join(dir, "worker")
		builds = append(builds, []string{filepath.Join(root, "cmd", "worker"), "-tags", "chaos_testing", "-o", b.Worker, "."})
	}
	for _, args := range builds {
		cmd := exec.Command("go", append([]string{"build"}, args[1:]...)...)
		cmd.Dir = args[0]
		if out, err := cmd.CombinedOutput(); err != nil {
			return b, fmt.Errorf("go build in %s: %w\n%s", args[0], err, out)
		}
	}
	return b, nil
}

// FindRoot finds the source of this project: dir or the nearest folder above it
// whose go.mod is the project's.
func FindRoot(dir string) (string, error) {
	for at := dir; ; at = filepath.Dir(at) {
		text, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module github.com/gauntlet-dst/gauntlet\n") {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s lies in no clone of the project, allowed: a folder of one, or --root", dir)
		}
	}
}
