package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// DelayReply holds a reply back; the request was applied at once.
type DelayReply struct {
	none
	For time.Duration
}

var delayReplyInfo = Info{
	Name: "delay-reply", About: "a request is applied at once and answered late", Effect: "yes",
	Strikes: requests, Requests: true,
	Share: 200, // what it does to the caller, lost replies do, too
	New:   func() Kind { return &DelayReply{} },
}

func (*DelayReply) Info() *Info                                { return &delayReplyInfo }
func (k *DelayReply) Lasts() time.Duration                     { return k.For }
func (k *DelayReply) HoldReply() time.Duration                 { return k.For }
func (k *DelayReply) draw(d keyed.Draw, s *Scale, _ *Crossing) { k.For = s.duration(d) }

func (k *DelayReply) options() []option {
	return []option{lasting("for", "how long the reply is held back", &k.For)}
}
