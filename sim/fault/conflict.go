package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/fakes/tikv"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Conflict answers a prewrite, or a conditional write of an object, as if
// another writer had come first; it is not applied.
type Conflict struct{ none }

var conflictInfo = Info{
	Name: "conflict", About: "a conditional write loses against another writer", Effect: "no",
	Strikes: conditional, Steps: true, Requests: true,
	Share: 150, // real conflicts are plentiful already
	Aim:   Aim{Weight: 1, At: conditional, Spread: 3, Burst: 12},
	New:   func() Kind { return &Conflict{} },
}

var errStepConflict error = &env.Error{Class: env.ClassConflict, Op: "step"}

func (*Conflict) Info() *Info                       { return &conflictInfo }
func (*Conflict) EnterStep() (time.Duration, error) { return 0, errStepConflict }

// Admit spares unconditional writes: no store answers them so.
func (*Conflict) Admit(m *Message) Verdict {
	if m.Op != ops.Prewrite && m.Object.Cond == env.Always {
		return Passed
	}
	m.KVReply = tikv.Response{Status: tikv.StatusWriteConflict, Key: m.KV.Primary}
	m.ObjectReply = objstore.Response{Err: env.ClassConflict, Code: "PreconditionFailed"}
	return Answered
}
