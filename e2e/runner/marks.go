package runner

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/e2e/tikvserver"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/conversion/schema"
)

// Seen reads the history of all commits, in the order of their timestamps, for
// what package chaos calls marks. It knows those that rows alone tell of: not what
// a process was refused or answered.
func (c *Conversion) Seen(s *Stores) ([]string, error) {
	_, commits, err := tikvserver.History(s.TiKVLog)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(commits, func(a, b tikv.Commit) int { return cmp.Compare(a.CommitTS, b.CommitTS) })
	h := &history{
		seen: map[string]bool{}, units: map[string]schema.Unit{}, checkpoints: map[string]schema.Checkpoint{},
		merges: map[string]schema.Merge{}, takeovers: map[string]int{},
		claims: map[string]schema.Unit{}, failed: map[string]uint64{},
	}
	for _, commit := range commits {
		for _, w := range commit.Writes {
			if err := h.row(w.Key, string(w.Value)); err != nil {
				return nil, fmt.Errorf("%s: %w", w.Key, err)
			}
		}
	}
	var list []string
	for _, mark := range chaos.Marks() {
		if h.seen[mark] {
			list = append(list, mark)
		}
	}
	return list, nil
}

// history is the newest version of the rows that marks are about.
type history struct {
	seen        map[string]bool
	units       map[string]schema.Unit
	checkpoints map[string]schema.Checkpoint
	merges      map[string]schema.Merge
	takeovers   map[string]int
	claims      map[string]schema.Unit // as each was claimed last
	failed      map[string]uint64      // the epoch that failed last
	leader      schema.Leader
}

// row takes the next version of a row; "" is its deletion, or a lock on it.
func (h *history) row(key, value string) error {
	if value == "" {
		return nil
	}
	table, rest := schema.Split(key)
	switch table {
	case schema.UnitTable:
		return h.unit(rest, value)
	case schema.CheckpointTable:
		return h.checkpoint(rest, value)
	case schema.MergeTable:
		var m schema.Merge
		if err := m.Decode(value); err != nil {
			return err
		}
		if was := h.merges[rest]; m.Gen > was.Gen && was.Gen > 0 {
			h.seen[chaos.MergeTakeover] = true
		}
		h.merges[rest] = m
	case schema.LeaderTable:
		var l schema.Leader
		if err := l.Decode(value); err != nil {
			return err
		}
		if was := h.leader; was.Epoch > 0 && l.Incarnation != was.Incarnation && l.Incarnation != "" {
			h.seen[chaos.ScannerTakeover] = true
		}
		h.leader = l
	}
	return nil
}

func (h *history) unit(id, value string) error {
	var u schema.Unit
	if err := u.Decode(value); err != nil {
		return err
	}
	was := h.units[id]
	h.units[id] = u
	if u.State == schema.Failed {
		h.failed[id] = u.Epoch
	}
	if u.Releases > was.Releases {
		h.seen[chaos.DrainMidUnit] = true
	}
	if u.State == schema.Dead {
		h.seen[chaos.DeadLetter] = true
	}
	// An epoch begins with a claim. If the one before ended neither by a release nor
	// by a failure, the unit was taken away.
	last := h.claims[id]
	if u.State == schema.Processing && u.Epoch > last.Epoch {
		h.claims[id] = u
	}
	if u.State == schema.Processing && u.Epoch > last.Epoch && last.Epoch > 0 && u.Releases == last.Releases && h.failed[id] != last.Epoch {
		h.takeovers[id]++
		h.seen[chaos.TakeoverAfterExpiry] = true
		if h.takeovers[id] > 1 {
			h.seen[chaos.DoubleTakeover] = true
		}
	}
	return nil
}

func (h *history) checkpoint(id, value string) error {
	var c schema.Checkpoint
	if err := c.Decode(value); err != nil {
		return err
	}
	was, known := h.checkpoints[id]
	h.checkpoints[id] = c
	if known && c.Epoch > was.Epoch && was.Frames > 0 && c.Frames >= was.Frames {
		h.seen[chaos.ResumeFromCheckpoint] = true
		if c.Upload != "" && c.Upload == was.Upload {
			h.seen[chaos.ResumeOpenUpload] = true
		}
	}
	return nil
}

// quietLog is an env.Log that keeps nothing.
type quietLog struct{}

func (quietLog) Enabled(slog.Level) bool                               { return false }
func (quietLog) Log(context.Context, slog.Level, string, ...slog.Attr) {}
