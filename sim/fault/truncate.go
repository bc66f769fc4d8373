package fault

import "github.com/gauntlet-dst/gauntlet/sim/keyed"

// Truncate cuts the body of a read short.
type Truncate struct {
	none
	Permille int64 // of the body that arrive, 0 to 999
}

var truncateInfo = Info{
	Name: "truncate", About: "the end of a body that is read is missing", Effect: "-",
	Strikes: objectReads, Requests: true,
	Share: 500, // few calls can meet it
	New:   func() Kind { return &Truncate{} },
}

func (*Truncate) Info() *Info { return &truncateInfo }

func (k *Truncate) Reply(m *Message) Verdict {
	body := m.ObjectReply.Body
	if len(body) == 0 {
		return Passed
	}
	m.ObjectReply.Body = body[:int64(len(body))*k.Permille/1000]
	return Changed
}

func (k *Truncate) options() []option {
	return []option{number("permille", "how much of the body arrives, in thousandths", &k.Permille, 0, 999)}
}

func (k *Truncate) draw(d keyed.Draw, _ *Scale, _ *Crossing) {
	k.Permille = int64(d.Intn("permille", 1000))
}
