package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// Refuse answers a request with "unavailable"; it is not applied, and its
// caller knows it.
type Refuse struct{ none }

var refuseInfo = Info{
	Name: "refuse", About: `a request is answered with "unavailable"`, Effect: "no",
	Strikes: requests, Steps: true, Requests: true,
	Share: 200,                                     // clients repeat what was refused: it seldom matters once
	Aim:   Aim{Weight: 1, At: requests, Burst: 12}, // past all tries, and past a breaker
	New:   func() Kind { return &Refuse{} },
}

var errStepRefused error = &env.Error{Class: env.ClassUnavailable, Op: "send"}

func (*Refuse) Info() *Info                       { return &refuseInfo }
func (*Refuse) Admit(*Message) Verdict            { return Refused }
func (*Refuse) EnterStep() (time.Duration, error) { return 0, errStepRefused }
