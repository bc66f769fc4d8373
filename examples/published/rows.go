package published

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// States of jobs and of the batch. A job is pending, running, done or dead; the
// batch is running, complete or failed.
const (
	Pending  = "pending"
	Running  = "running"
	Done     = "done"
	Dead     = "dead"
	Complete = "complete"
	Failed   = "failed"
)

// The keys of rows: a prefix for jobs and beats, and those of which there is one.
const (
	JobPrefix  = "job/"
	BeatPrefix = "beat/"
	BatchKey   = "batch"
	MergeKey   = "merge"
)

// jobEnd is behind all keys of jobs: 0 follows /.
const jobEnd = "job0"

// SourcePrefix is before the names of recordings; parts and the object that is a
// claim in the published way are nobody else's business.
const (
	SourcePrefix = "in/"
	stagePrefix  = "stage/"
	claimObject  = "claim/merge"
)

// Job is the row of a job.
type Job struct {
	State string `json:"state"`
	// Owner is who runs it, name/incarnation. Attempt is raised by each claim and
	// never reset: it tells one attempt from all others.
	Owner   string `json:"owner,omitempty"`
	Attempt int    `json:"attempt"`
	// Frames are converted, and Parts name the objects that hold them.
	Frames int      `json:"frames"`
	Parts  []string `json:"parts,omitempty"`
	Error  string   `json:"error,omitempty"`
}

// Ended reports whether nothing happens to the job any more.
func (j *Job) Ended() bool { return j.State == Done || j.State == Dead }

// beatRow is the row of a worker's name: its living incarnation counts in it.
type beatRow struct {
	Incarnation string `json:"incarnation"`
	N           int    `json:"n"`
	Wall        int64  `json:"wall"` // the worker's time of day, in nanoseconds
}

// Batch is the row of all jobs together.
type Batch struct {
	State string `json:"state"`
	Total int    `json:"total"`
	Done  int    `json:"done"`
	Dead  int    `json:"dead"`
	// Dataset is the published object.
	Dataset string `json:"dataset,omitempty"`
}

// Ended reports whether nothing happens to the batch any more.
func (b *Batch) Ended() bool { return b.State == Complete || b.State == Failed }

// Merge is the claim on the merge. Generation is raised by each claim.
type Merge struct {
	Owner      string `json:"owner"`
	Generation int    `json:"generation"`
}

// Encode returns the bytes of a row.
func Encode(row any) []byte {
	value, err := json.Marshal(row)
	if err != nil {
		panic(err) // rows hold numbers and text only
	}
	return value
}

// read reads a row; one that is not there leaves row as it is.
func read(ctx context.Context, txn env.Txn, key string, row any) error {
	value, err := txn.Get(ctx, key)
	if errors.Is(err, env.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(value, row)
}

// named is a job with its name.
type named struct {
	id string
	Job
}

// pageSize is how many rows or keys are asked for at once.
const pageSize = 100

// jobs reads all jobs, in the order of their names.
func jobs(ctx context.Context, txn env.Txn) (all []named, err error) {
	for from := JobPrefix; ; {
		page, err := txn.Scan(ctx, from, jobEnd, pageSize)
		if err != nil {
			return nil, err
		}
		for _, pair := range page {
			job := named{id: strings.TrimPrefix(pair.Key, JobPrefix)}
			if err := json.Unmarshal(pair.Value, &job.Job); err != nil {
				return nil, err
			}
			all = append(all, job)
		}
		if len(page) < pageSize {
			return all, nil
		}
		from = page[len(page)-1].Key + "\x00"
	}
}
