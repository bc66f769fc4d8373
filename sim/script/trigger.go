package script

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/sim/fault"
	"github.com/gauntlet-dst/gauntlet/sim/inject"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Trigger is a fault that waits for a process to reach a step. It strikes once,
// at the first request of the step that has an effect: for a transaction its
// first prewrite, when everything has been read and nothing is written.
type Trigger struct {
	p     *Process
	rule  inject.Rule
	phase fault.Phase
}

func (p *Process) at(step env.Step, phase fault.Phase) *Trigger {
	return &Trigger{p: p, phase: phase, rule: inject.Rule{Process: p.Name(), Step: string(step), Once: true, Effect: true}}
}

// Before strikes when the request is about to be sent: it is not, or only when
// the process goes on.
func (p *Process) Before(step env.Step) *Trigger { return p.at(step, fault.Before) }

// Applied strikes when the store has handled the request; the reply is on its
// way.
func (p *Process) Applied(step env.Step) *Trigger { return p.at(step, fault.Applied) }

// After strikes when the reply is about to be received.
func (p *Process) After(step env.Step) *Trigger { return p.at(step, fault.After) }

// On chooses the operation ("kv.commit", "objects.list") in place of the first
// one that has an effect.
func (t *Trigger) On(op string) *Trigger {
	t.p.s.t.Helper()
	named, ok := ops.Named(op)
	if !ok {
		t.p.s.t.Fatalf("script: no operation %q", op)
	}
	t.rule.Op, t.rule.Effect = named, false
	return t
}

// Nth waits for the n-th such request, counted from 1 when the trigger is set.
func (t *Trigger) Nth(n int) *Trigger {
	t.rule.Nth = n
	return t
}

// Pause sets the trigger: the whole process freezes until it is resumed.
func (t *Trigger) Pause() *Trigger { return t.set(&fault.Pause{Phase: t.phase, For: untilTold}) }

// Suspend sets the trigger: as Pause, and the process's clock stands still.
func (t *Trigger) Suspend() *Trigger {
	return t.set(&fault.Pause{Phase: t.phase, For: untilTold, Stops: true})
}

// Crash sets the trigger: the process crashes, until it is restarted.
func (t *Trigger) Crash() *Trigger { return t.set(&fault.Crash{Phase: t.phase, Restart: untilTold}) }

// Terminate sets the trigger: the process is asked to stop, see
// [Process.Terminate].
func (t *Trigger) Terminate(grace time.Duration) *Trigger {
	return t.set(&fault.Terminate{Phase: t.phase, Grace: grace})
}

// Refuse sets the trigger: the request is answered with "unavailable", and not
// applied.
func (t *Trigger) Refuse() *Trigger { return t.set(&fault.Refuse{}) }

// Conflict sets the trigger: the write loses as if against another writer, and is
// not applied.
func (t *Trigger) Conflict() *Trigger { return t.set(&fault.Conflict{}) }

// LoseRequest sets the trigger: the request is lost, and not applied.
func (t *Trigger) LoseRequest() *Trigger { return t.set(&fault.LoseRequest{}) }

// LoseReply sets the trigger: the request is applied, its reply is lost.
func (t *Trigger) LoseReply() *Trigger { return t.set(&fault.LoseReply{}) }

// Delay sets the trigger: the request is under way for so long, up to the
// system's MaxInFlight; it is applied even if nobody waits for it any more.
func (t *Trigger) Delay(by time.Duration) *Trigger { return t.set(&fault.Delay{For: by}) }

// ExpireUpload sets the trigger: the store drops the multipart upload that the
// request names before it handles the request.
func (t *Trigger) ExpireUpload() *Trigger { return t.set(&fault.ExpireUpload{}) }

func (t *Trigger) set(k fault.Kind) *Trigger {
	t.rule.Kind = k
	t.p.s.waiting = append(t.p.s.waiting, t)
	t.p.s.u.Inject(&t.rule)
	return t
}

// Fired reports whether the fault has struck.
func (t *Trigger) Fired() bool { return t.rule.Struck != nil && t.rule.Struck.Fired > 0 }
