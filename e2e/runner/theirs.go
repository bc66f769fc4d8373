package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/e2e/child"
	"github.com/gauntlet-dst/gauntlet/e2e/s3server"
	"github.com/gauntlet-dst/gauntlet/e2e/tikvserver"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// Map says where another system keeps its state: the YAML file of --state. A row
// or an object is text; a field is a path of names in it, with dots, if it is JSON,
// and the whole of it if empty.
type Map struct {
	// Rows and Objects are there before the first worker starts.
	Rows    map[string]string `yaml:"rows"`
	Objects map[string]string `yaml:"objects"`
	// Status is the row that says how the whole of the work stands.
	Status struct {
		Row    string   `yaml:"row"`
		Field  string   `yaml:"field"`
		Done   []string `yaml:"done"`   // what it says when the work is published
		Failed []string `yaml:"failed"` // or has ended otherwise
	} `yaml:"status"`
	// Published is what was published: an object whose key is Object, or is in Field
	// of Row. It is JSON that lists the keys of further objects in List, if that is
	// not empty.
	Published struct {
		Object string `yaml:"object"`
		Row    string `yaml:"row"`
		Field  string `yaml:"field"`
		List   string `yaml:"list"`
		// Strip is a pattern; what it matches is removed from keys before two runs
		// are compared.
		Strip string `yaml:"strip"`
		strip *regexp.Regexp
	} `yaml:"published"`
	// Units are the rows of the pieces of work.
	Units struct {
		Prefix string   `yaml:"prefix"` // ends in '/'
		Field  string   `yaml:"field"`
		Done   []string `yaml:"done"`
		Busy   []string `yaml:"busy"`
		Worker string   `yaml:"worker"` // field with the name of the worker that holds it
	} `yaml:"units"`
	// Leftovers are the prefixes below which nothing is left in the end.
	Leftovers struct {
		Rows    []string `yaml:"rows"` // each ends in '/'
		Objects []string `yaml:"objects"`
		Uploads bool     `yaml:"uploads"` // no open upload either
	} `yaml:"leftovers"`
	// Stale is after what time a silent worker's work is taken away, Limit bounds a
	// run, and Clean what is cleaned up after it. 0 means 4 s, 60 s and 20 s.
	Stale time.Duration `yaml:"stale"`
	Limit time.Duration `yaml:"limit"`
	Clean time.Duration `yaml:"clean"`
}

// ReadMap reads a file. An error is one line that says where and what.
func ReadMap(path string) (*Map, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m := &Map{Stale: 4 * time.Second, Limit: 60 * time.Second, Clean: 20 * time.Second}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(m); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %s", path, strings.Join(strings.Fields(err.Error()), " "))
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func (m *Map) check() (err error) {
	switch {
	case m.Status.Row == "" || len(m.Status.Done) == 0:
		return errors.New("status: needs row and done")
	case (m.Published.Object == "") == (m.Published.Row == ""):
		return errors.New("published: needs object or row, and not both")
	case m.Units.Prefix != "" && !strings.HasSuffix(m.Units.Prefix, "/"):
		return fmt.Errorf("units.prefix: %q, allowed: a prefix that ends in '/'", m.Units.Prefix)
	case m.Stale <= 0 || m.Limit <= 0 || m.Clean <= 0:
		return errors.New("stale, limit and clean must be above 0")
	}
	for _, prefix := range m.Leftovers.Rows {
		if !strings.HasSuffix(prefix, "/") {
			return fmt.Errorf("leftovers.rows: %q, allowed: prefixes that end in '/'", prefix)
		}
	}
	m.Published.strip, err = regexp.Compile(m.Published.Strip)
	return err
}

// Foreign is somebody else's system: a command that starts a worker, and a map of
// its state.
type Foreign struct {
	// Command is given to the shell for each worker.
	Command string
	Map     *Map
}

// Injects reports false.
func (f *Foreign) Injects() bool { return false }

// Timing is that of the map.
func (f *Foreign) Timing() Timing {
	return Timing{Stale: f.Map.Stale, Limit: f.Map.Limit, Clean: f.Map.Clean}
}

// Worker starts the command. Where the stores are is in its environment.
func (f *Foreign) Worker(at WorkerPlace) child.Spec {
	variables := []string{
		"WORKER_NAME=" + at.Name, "WORKER_DIR=" + at.Dir, "STALE_AFTER=" + f.Map.Stale.String(),
		"PD_ENDPOINTS=" + at.Way.PD.Addr(), "TIKV_GATEWAY=http://" + at.Way.Gateway.Addr(),
		"S3_ENDPOINT=http://" + at.Way.S3.Addr(), "S3_BUCKET=" + bucket,
	}
	for name, value := range credentials() {
		variables = append(variables, name+"="+value)
	}
	return child.Spec{Args: []string{"/bin/sh", "-c", "exec " + f.Command}, Env: variables}
}

// Submit stores the rows and objects of the map.
func (f *Foreign) Submit(ctx context.Context, s *Stores, _ Work) error {
	for key, body := range f.Map.Objects {
		if _, err := s.Objects.Put(ctx, key, []byte(body), env.Always); err != nil {
			return err
		}
	}
	tx, err := s.KV.Begin(ctx)
	if err != nil {
		return err
	}
	for key, value := range f.Map.Rows {
		tx.Put(key, []byte(value))
	}
	return tx.Commit(ctx)
}

// row reads a row, "" if there is none.
func (s *Stores) row(ctx context.Context, key string) (string, error) {
	tx, err := s.KV.Begin(ctx)
	if err != nil {
		return "", err
	}
	value, err := tx.Get(ctx, key)
	if errors.Is(err, env.ErrNotFound) {
		return "", nil
	}
	return string(value), err
}

// field reads a field of a text; "" if it is not there.
func field(text, path string) string {
	if path == "" {
		return text
	}
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return ""
	}
	for name := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return ""
		}
		value = object[name]
	}
	if text, ok := value.(string); ok || value == nil {
		return text
	}
	shown, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(shown)
}

// Ended reads the status.
func (f *Foreign) Ended(ctx context.Context, s *Stores) (string, error) {
	row, err := s.row(ctx, f.Map.Status.Row)
	status := field(row, f.Map.Status.Field)
	if slices.Contains(f.Map.Status.Done, status) || slices.Contains(f.Map.Status.Failed, status) {
		return status, err
	}
	return "", err
}

// Busy reads the units.
func (f *Foreign) Busy(ctx context.Context, s *Stores) (names []string, err error) {
	if f.Map.Units.Prefix == "" {
		return nil, nil
	}
	pairs, err := s.rows(ctx, f.Map.Units.Prefix)
	for _, p := range pairs {
		if slices.Contains(f.Map.Units.Busy, field(string(p.Value), f.Map.Units.Field)) {
			names = append(names, field(string(p.Value), f.Map.Units.Worker))
		}
	}
	return names, err
}

// Judge compares the stores, and their history, with what the map says.
func (f *Foreign) Judge(ctx context.Context, s *Stores, _ Work) error {
	row, err := s.row(ctx, f.Map.Status.Row)
	if err != nil {
		return err
	}
	if status := field(row, f.Map.Status.Field); !slices.Contains(f.Map.Status.Done, status) {
		return &final{fmt.Errorf("the status is %q", status)}
	}
	if err := f.once(ctx, s); err != nil {
		return err
	}
	if f.Map.Units.Prefix != "" {
		pairs, err := s.rows(ctx, f.Map.Units.Prefix)
		if err != nil {
			return err
		}
		for _, p := range pairs {
			if state := field(string(p.Value), f.Map.Units.Field); !slices.Contains(f.Map.Units.Done, state) {
				return fmt.Errorf("%s is %q, and all is published", p.Key, state)
			}
		}
	}
	return f.leftovers(ctx, s)
}

// manifest is the key of what was published.
func (f *Foreign) manifest(ctx context.Context, s *Stores) (string, error) {
	if f.Map.Published.Object != "" {
		return f.Map.Published.Object, nil
	}
	row, err := s.row(ctx, f.Map.Published.Row)
	if err != nil {
		return "", err
	}
	key := field(row, f.Map.Published.Field)
	if key == "" {
		return "", fmt.Errorf("row %s names nothing that was published", f.Map.Published.Row)
	}
	return key, nil
}

// once counts, in the histories of both stores, how often something was
// published.
func (f *Foreign) once(ctx context.Context, s *Stores) error {
	_, commits, err := tikvserver.History(s.TiKVLog)
	if err != nil {
		return err
	}
	published := 0
	for _, commit := range commits {
		for _, w := range commit.Writes {
			if w.Key == f.Map.Status.Row && slices.Contains(f.Map.Status.Done, field(string(w.Value), f.Map.Status.Field)) {
				published++
			}
		}
	}
	if published != 1 {
		return &final{fmt.Errorf("%d transactions say that it is published, in row %s", published, f.Map.Status.Row)}
	}
	key, err := f.manifest(ctx, s)
	if err != nil || s.S3Log == "" {
		return err
	}
	_, effects, err := s3server.History(s.S3Log, objstore.Options{MinPart: -1})
	if err != nil {
		return err
	}
	written := 0
	for _, e := range effects {
		if e.Key == key && (e.Kind == objstore.EffectPut || e.Kind == objstore.EffectComplete) {
			written++
		}
	}
	if written != 1 {
		return &final{fmt.Errorf("object %s, which was published, was written %d times", key, written)}
	}
	return nil
}

func (f *Foreign) leftovers(ctx context.Context, s *Stores) error {
	for _, prefix := range f.Map.Leftovers.Rows {
		pairs, err := s.rows(ctx, prefix)
		if err != nil {
			return err
		}
		if len(pairs) > 0 {
			return fmt.Errorf("row %s is left behind", pairs[0].Key)
		}
	}
	for _, prefix := range f.Map.Leftovers.Objects {
		objects, err := s.objects(ctx, prefix)
		if err != nil {
			return err
		}
		if len(objects) > 0 {
			return fmt.Errorf("object %s is left behind", objects[0].Key)
		}
	}
	if !f.Map.Leftovers.Uploads {
		return nil
	}
	uploads, err := s.Objects.ListUploads(ctx, "", "", "", 1000)
	if err == nil && len(uploads.Uploads) > 0 {
		err = fmt.Errorf("an upload of %s is left open", uploads.Uploads[0].Key)
	}
	return err
}

// Published reads what was published.
func (f *Foreign) Published(ctx context.Context, s *Stores) (map[string][]byte, error) {
	key, err := f.manifest(ctx, s)
	if err != nil {
		return nil, err
	}
	bodies := map[string][]byte{}
	read := func(key string) error {
		body, _, err := s.Objects.Get(ctx, key, 0, -1)
		if err != nil {
			return fmt.Errorf("%s was published, and: %w", key, err)
		}
		bodies[key] = body
		return nil
	}
	if err := read(key); err != nil {
		return nil, err
	}
	if f.Map.Published.List != "" {
		var keys []string
		if err := json.Unmarshal([]byte(field(string(bodies[key]), f.Map.Published.List)), &keys); err != nil {
			return nil, fmt.Errorf("%s has no list of keys in %s", key, f.Map.Published.List)
		}
		for _, key := range keys {
			if err := read(key); err != nil {
				return nil, err
			}
		}
	}
	if f.Map.Published.Strip == "" {
		return bodies, nil
	}
	stripped := map[string][]byte{}
	for _, key := range slices.Sorted(maps.Keys(bodies)) {
		stripped[f.Map.Published.strip.ReplaceAllString(key, "")] = f.Map.Published.strip.ReplaceAll(bodies[key], nil)
	}
	return stripped, nil
}

// Seen knows no marks of another system.
func (f *Foreign) Seen(*Stores) ([]string, error) { return nil, nil }
