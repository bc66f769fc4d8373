// Command manifests writes the Chaos Mesh manifests, their documentation and
// the staging configurations from the scenarios of package chaos. Run it in
// the repository's root after a change of the scenarios or of the values.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", "deploy/chaos-mesh", "folder to write to")
	valuesPath := flag.String("values", "", "file of values; values.yaml in the folder if empty")
	flag.Parse()
	if *valuesPath == "" {
		*valuesPath = filepath.Join(*out, "values.yaml")
	}
	if err := run(*out, *valuesPath); err != nil {
		fmt.Fprintln(os.Stderr, "manifests:", err)
		os.Exit(1)
	}
}

func run(out, valuesPath string) error {
	v, err := readValues(valuesPath)
	if err != nil {
		return err
	}
	files, err := v.files()
	if err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(out, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
