package core

import (
	"slices"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Phase is the phase of a batch.
type Phase string

const (
	PhasePending     Phase = "pending"     // submitted
	PhaseDiscovering Phase = "discovering" // its sources are being listed
	PhaseRunning     Phase = "running"     // every unit is known
	PhaseMerging     Phase = "merging"     // every unit is complete, a merge was claimed
	PhaseComplete    Phase = "complete"    // published
	PhaseFailed      Phase = "failed"      // a unit is dead, or a source cannot be read
	PhaseCancelled   Phase = "cancelled"   // by a client
	PhaseExpired     Phase = "expired"     // terminal for longer than its TTL; only this row is left
)

// Terminal reports whether nothing more will be done for a batch in this phase.
func (p Phase) Terminal() bool {
	switch p {
	case PhaseComplete, PhaseFailed, PhaseCancelled, PhaseExpired:
		return true
	}
	return false
}

// UnitState is the state of a unit.
type UnitState string

const (
	UnitPending    UnitState = "pending"    // queued
	UnitProcessing UnitState = "processing" // leased to the row's owner
	UnitComplete   UnitState = "complete"   // staged
	UnitFailed     UnitState = "failed"     // an attempt failed; queued again after a back-off
	UnitDead       UnitState = "dead"       // poison, or out of attempts
	UnitCancelled  UnitState = "cancelled"  // its batch ended without it
)

// Terminal reports whether a unit in this state is never executed again, an
// operator's retry aside.
func (s UnitState) Terminal() bool {
	switch s {
	case UnitComplete, UnitDead, UnitCancelled:
		return true
	}
	return false
}

// nextPhases are the legal edges of a batch. Terminal phases absorb, but for
// their expiry.
var nextPhases = map[Phase][]Phase{
	PhasePending:     {PhaseDiscovering, PhaseFailed, PhaseCancelled},
	PhaseDiscovering: {PhaseRunning, PhaseFailed, PhaseCancelled},
	PhaseRunning:     {PhaseMerging, PhaseFailed, PhaseCancelled},
	PhaseMerging:     {PhaseComplete, PhaseFailed, PhaseCancelled},
	PhaseComplete:    {PhaseExpired},
	PhaseFailed:      {PhaseExpired},
	PhaseCancelled:   {PhaseExpired},
}

// nextStates are the legal edges of a unit.
var nextStates = map[UnitState][]UnitState{
	UnitPending:    {UnitProcessing, UnitCancelled},
	UnitProcessing: {UnitComplete, UnitFailed, UnitDead, UnitPending, UnitCancelled},
	UnitFailed:     {UnitPending, UnitCancelled},
	UnitDead:       {UnitPending}, // an operator's retry, while the batch lives
}

// advance moves the batch to another phase, or refuses an illegal edge with
// env.ErrInvalid.
func (b *batchRow) advance(to Phase) error {
	if !slices.Contains(nextPhases[b.phase], to) {
		return &env.Error{Class: env.ClassInvalid, Op: "batch phase " + string(b.phase) + " to " + string(to)}
	}
	b.phase = to
	return nil
}

// advance moves the unit to another state, or refuses an illegal edge with
// env.ErrInvalid.
func (u *unitRow) advance(to UnitState) error {
	if !slices.Contains(nextStates[u.state], to) {
		return &env.Error{Class: env.ClassInvalid, Op: "unit state " + string(u.state) + " to " + string(to)}
	}
	u.state = to
	return nil
}
