package process

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// maxFileName is the longest file name that common file systems take, in bytes.
const maxFileName = 255

// unfinished begins the names of files that are being written. No entry's file
// name begins with a dot.
const unfinished = ".write-"

// NewTempDir returns a TempDir over the directory path, which it makes if it is
// missing and which no other process may use. What an earlier incarnation wrote
// is found again; its unfinished writes are removed.
func NewTempDir(path string) (env.TempDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), unfinished) {
			continue
		}
		if err := os.Remove(filepath.Join(path, entry.Name())); err != nil {
			return nil, err
		}
	}
	return &tempDir{path: path}, nil
}

type tempDir struct{ path string }

func (d *tempDir) Read(name string) ([]byte, error) {
	file, err := d.file("read", name)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, env.ErrNotFound
	}
	if err != nil {
		return nil, &env.Error{Class: env.ClassUnavailable, Op: "read", Key: name, Err: err}
	}
	return data, nil
}

// Write writes a file beside the entry's and renames it, so that a crash leaves
// the old entry or the new one.
func (d *tempDir) Write(name string, data []byte) error {
	file, err := d.file("write", name)
	if err != nil {
		return err
	}
	if err := writeFile(d.path, file, data); err != nil {
		return &env.Error{Class: env.ClassUnavailable, Op: "write", Key: name, Err: err}
	}
	return nil
}

func writeFile(dir, file string, data []byte) error {
	f, err := os.CreateTemp(dir, unfinished+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		// Without this a crash of the machine can leave the new name on an
		// empty file.
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (d *tempDir) Remove(name string) error {
	file, err := d.file("remove", name)
	if err != nil {
		return err
	}
	err = os.Remove(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &env.Error{Class: env.ClassUnavailable, Op: "remove", Key: name, Err: err}
	}
	return nil
}

func (d *tempDir) file(op, name string) (string, error) {
	escaped := escape(name)
	if name == "" || len(escaped) > maxFileName {
		return "", &env.Error{Class: env.ClassInvalid, Op: op, Key: name}
	}
	return filepath.Join(d.path, escaped), nil
}

// escape maps names to file names one to one. Upper case is escaped, too, for
// file systems that ignore case, and so is a dot in front.
func escape(name string) string {
	const hex = "0123456789abcdef"
	out := make([]byte, 0, len(name))
	for i := range len(name) {
		c := name[i]
		plain := 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' && i > 0
		if plain {
			out = append(out, c)
		} else {
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(out)
}

// NewMemoryTempDir returns an empty TempDir in memory, without a size limit.
func NewMemoryTempDir() env.TempDir { return &memoryTempDir{entries: map[string][]byte{}} }

type memoryTempDir struct {
	mu      sync.Mutex
	entries map[string][]byte
}

func (d *memoryTempDir) Read(name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	data, exists := d.entries[name]
	if !exists {
		return nil, env.ErrNotFound
	}
	return slices.Clone(data), nil
}

func (d *memoryTempDir) Write(name string, data []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries[name] = slices.Clone(data)
	return nil
}

func (d *memoryTempDir) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.entries, name)
	return nil
}
