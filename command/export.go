package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gauntlet-dst/gauntlet/sim"
	"github.com/gauntlet-dst/gauntlet/sim/explain"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/page"
	"github.com/gauntlet-dst/gauntlet/sim/plan"
	"github.com/gauntlet-dst/gauntlet/sim/timeline"
)

// Files that a command writes beside what it prints. A file that is there already
// is written over only if this command wrote it: what it begins with says so.

// exports are the files of one run.
type exports struct{ html, jsonl, chrome string }

func (x *exports) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&x.html, "html", "", "write the run's page to this file: lanes, messages, what changed")
	flags.StringVar(&x.jsonl, "jsonl", "", "write the run's events to this file, one JSON object a line")
	flags.StringVar(&x.chrome, "chrome", "", "write the run's events to this file as a Chrome trace, which Perfetto opens")
}

func (x *exports) wanted() bool { return x.html+x.jsonl+x.chrome != "" }

// How files begin that a command may write over.
var (
	timelinePage = page.Begin("timeline")
	sweepPage    = page.Begin("sweep")
	jsonLines    = `{"type":"run","schema":`
	chromeTrace  = `{"displayTimeUnit":"ms","otherData":{"generator":"gauntlet"`
)

// check refuses what could not be written, before anything runs.
func (x *exports) check() error {
	names := map[string]bool{}
	for _, f := range []struct{ flag, name, begin string }{{"html", x.html, timelinePage}, {"jsonl", x.jsonl, jsonLines}, {"chrome", x.chrome, chromeTrace}} {
		if f.name == "" {
			continue
		}
		if names[f.name] {
			return fmt.Errorf("--%s=%s: want another file for each format", f.flag, f.name)
		}
		names[f.name] = true
		if err := writable(f.flag, f.name, f.begin); err != nil {
			return err
		}
	}
	return nil
}

// write writes the files of a run, which is recorded, and tells of each.
func (c *command) write(x *exports, p page.Timeline) error {
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{x.html, p.Write},
		{x.jsonl, func(w io.Writer) error { return timeline.Lines(w, p.Run) }},
		{x.chrome, func(w io.Writer) error { return timeline.Chrome(w, p.Run) }},
	} {
		if f.name == "" {
			continue
		}
		if err := replace(f.name, f.write); err != nil {
			return err
		}
		c.wrote(f.name)
	}
	return nil
}

func (c *command) wrote(name string) {
	c.say(object{"type": "file", "file": name}, "sim: wrote "+name)
}

// writable refuses a file that is there already, unless it begins as those do
// that this flag writes.
func writable(flag, name, begin string) error {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		folder, err := os.Stat(filepath.Dir(name))
		if err != nil || !folder.IsDir() {
			return fmt.Errorf("--%s=%s: there is no folder %s", flag, name, filepath.Dir(name))
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("--%s=%s: cannot be read: %w", flag, name, errors.Unwrap(err))
	}
	defer file.Close()
	start, err := io.ReadAll(io.LimitReader(file, int64(len(begin))))
	if err != nil {
		return fmt.Errorf("--%s=%s: cannot be read: %w", flag, name, errors.Unwrap(err))
	}
	if !strings.HasPrefix(string(start), begin) {
		return fmt.Errorf("--%s=%s: this file is there already, and is none that --%s has written: it is left as it is", flag, name, flag)
	}
	return nil
}

// keepable refuses a folder that cannot be: something else stands in its way. It makes
// none: without a failure there is nothing to keep.
func keepable(flag, folder string) error {
	for way := filepath.Clean(folder); folder != ""; way = filepath.Dir(way) {
		if info, err := os.Stat(way); err == nil && !info.IsDir() {
			return fmt.Errorf("--%s=%s: %s is no folder", flag, folder, way)
		} else if err == nil || way == filepath.Dir(way) {
			break
		}
	}
	return nil
}

// replace writes a file whole or not at all: beside it first, then in its place.
func replace(name string, write func(io.Writer) error) error {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	_, err = file.Write(text.Bytes())
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// near is a plan that differs from a failing one in one deviation.
type near struct {
	plan *plan.Plan
	how  string
}

// neighbours are the plans without one deviation, and those in which a fault lasts
// just too short.
func neighbours(x *explain.Explanation) []near {
	failing := x.Reduced.Plan
	var all []near
	for i, f := range failing.Faults {
		without := failing.Clone()
		without.Faults = slices.Delete(slices.Clone(failing.Faults), i, i+1)
		all = append(all, near{without, "without the fault " + f.String()})
		if i >= len(x.Neighbours) {
			continue
		}
		for _, bound := range x.Neighbours[i].Bounds {
			words := strings.Fields(f.String())
			at := slices.Index(words, bound.Name+"="+bound.Is.String())
			if at < 0 || bound.Fails == 0 || bound.Passes == 0 {
				continue
			}
			words[at] = bound.Name + "=" + bound.Passes.String()
			shorter, err := fault.Parse(strings.Join(words, " "))
			if err != nil {
				continue
			}
			milder := failing.Clone()
			milder.Faults = slices.Clone(failing.Faults)
			milder.Faults[i] = f.With(shorter.Kind)
			all = append(all, near{milder, fmt.Sprintf("with %s in place of %s: %s", words[at], bound.Is, f)})
		}
	}
	for i, o := range failing.Orders {
		without := failing.Clone()
		without.Orders = slices.Delete(slices.Clone(failing.Orders), i, i+1)
		all = append(all, near{without, "without the ordering " + o.String()})
	}
	return all
}

// nearest is the passing run beside a failing one that stays the same the longest,
// recorded, and says what is different; nil if there is none.
func nearest(target sim.Target, x *explain.Explanation) (best *sim.Result, how string, err error) {
	parts := uint64(0)
	for _, n := range neighbours(x) {
		r, err := sim.ReplayRecorded(target, n.plan)
		if err != nil {
			return nil, "", err
		}
		if r.Violation != nil {
			continue
		}
		if first := timeline.Diverge(x.Reduced.Result, r).First; best == nil || first > parts {
			best, how, parts = r, n.how, first
		}
	}
	return best, how, nil
}

// pageOf is the page of an explained failure.
func pageOf(target sim.Target, x *explain.Explanation) (page.Timeline, error) {
	p := page.Timeline{Run: x.Reduced.Result, Report: x.String()}
	for _, row := range x.Rows {
		p.Story = append(p.Story, row.Event)
	}
	for _, f := range x.Futures {
		p.Chances = append(p.Chances, page.Chance{Event: f.Event, At: f.At, Fails: f.Fails, Tried: f.Tried})
	}
	var err error
	p.Passing, p.How, err = nearest(target, x)
	return p, err
}
