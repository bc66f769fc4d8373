package fault

import "github.com/gauntlet-dst/gauntlet/sim/keyed"

// LoseRequest loses a request; it is not applied.
type LoseRequest struct {
	none
	// Reset shows the caller a broken connection at once, instead of letting it
	// wait for its time-out.
	Reset bool
}

var loseRequestInfo = Info{
	Name: "lose-request", About: "a request is lost, and no answer comes", Effect: "no",
	Strikes: requests, Requests: true,
	Share: 200,
	New:   func() Kind { return &LoseRequest{} },
}

func (*LoseRequest) Info() *Info                                { return &loseRequestInfo }
func (k *LoseRequest) Send(*Message) Verdict                    { return lost(k.Reset) }
func (k *LoseRequest) options() []option                        { return []option{seen(&k.Reset)} }
func (k *LoseRequest) draw(d keyed.Draw, _ *Scale, _ *Crossing) { k.Reset = d.Chance("reset", 500) }

// lost is the verdict about a lost message.
func lost(reset bool) Verdict {
	if reset {
		return Broken
	}
	return Lost
}

// seen binds how the caller learns that a message was lost.
func seen(reset *bool) option {
	return either("seen", "how the caller learns of it: by its time-out, or at once by a broken connection", reset, "timeout", "reset")
}
