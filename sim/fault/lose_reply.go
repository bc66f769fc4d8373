package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
)

// LoseReply loses the reply of a request that was applied.
type LoseReply struct {
	none
	// Reset shows the caller a broken connection at once, instead of letting it
	// wait for its time-out.
	Reset bool
}

var loseReplyInfo = Info{
	Name: "lose-reply", About: "a request is applied, and its reply is lost", Effect: "yes",
	Strikes: requests, Requests: true,
	Share: 400, // the undetermined commit is what most programs get wrong
	Aim:   Aim{Weight: 1, At: effects},
	New:   func() Kind { return &LoseReply{} },
}

func (*LoseReply) Info() *Info                                { return &loseReplyInfo }
func (k *LoseReply) Reply(*Message) Verdict                   { return lost(k.Reset) }
func (k *LoseReply) options() []option                        { return []option{seen(&k.Reset)} }
func (k *LoseReply) draw(d keyed.Draw, _ *Scale, _ *Crossing) { k.Reset = d.Chance("reset", 500) }

// weaker lets the reply arrive after all, if late.
func (*LoseReply) weaker(Anchor) []Kind { return []Kind{&DelayReply{For: time.Minute}} }
