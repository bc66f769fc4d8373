package fault

import (
	"time"

	"github.com/gauntlet-dst/gauntlet/sim/keyed"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// Partition cuts a process off from services: requests, replies or both are
// lost, and nobody says so.
type Partition struct {
	none
	Service   ops.Service
	Direction Direction
	For       time.Duration
}

// Direction says which way a partition cuts.
type Direction uint8

const (
	// Both: requests and replies are lost.
	Both Direction = iota
	// Requests: requests are lost; replies to earlier ones arrive.
	Requests
	// Replies: requests arrive and are executed; their replies are lost.
	Replies
)

var directionNames = []string{"both", "requests", "replies"}

// String returns the direction's name as plans print it.
func (d Direction) String() string { return directionNames[d] }

var partitionInfo = Info{
	Name: "partition", About: "a process and a service do not hear each other", Effect: "maybe",
	Strikes: requests,
	Share:   300,
	// What a partition leaves unknown is seldom what matters: it is aimed at
	// three times as many steps.
	Aim: Aim{Weight: 3, At: effects, Spread: 3},
	New: func() Kind { return &Partition{} },
}

func (*Partition) Info() *Info            { return &partitionInfo }
func (k *Partition) Lasts() time.Duration { return k.For }
func (k *Partition) Befall(h Host, f *Fault) bool {
	h.Stand(f, k.For)
	return true
}

func (k *Partition) Send(m *Message) Verdict  { return k.cut(m, Replies) }
func (k *Partition) Reply(m *Message) Verdict { return k.cut(m, Requests) }

// cut loses the message, unless only the other direction is cut.
func (k *Partition) cut(m *Message, spared Direction) Verdict {
	if k.Direction == spared || !k.Service.Is(m.Op) {
		return Passed
	}
	return Lost
}

func (k *Partition) options() []option {
	return []option{
		choice("service", "from which service the process is cut off", &k.Service, ops.Services()),
		choice("direction", "which messages are lost", &k.Direction, directionNames),
		lasting("for", "how long they are lost", &k.For),
	}
}

func (k *Partition) draw(d keyed.Draw, s *Scale, c *Crossing) {
	k.For = s.freeze(d)
	k.Direction = Direction(d.Intn("direction", len(directionNames)))
	k.Service = c.Op.Service()
	if d.Chance("all", 300) {
		k.Service = ops.Every
	}
}

// aim lets the request arrive, and nobody ever hear of it.
func (k *Partition) aim(d keyed.Draw, s *Scale, c *Crossing, _ time.Duration) {
	k.Direction, k.Service = Replies, c.Op.Service()
	k.For = s.GiveUp + time.Duration(d.Between("patience", 1, int64(s.GiveUp)/2))
}

// weaker cuts one message off, or one direction, or one service.
func (k *Partition) weaker(at Anchor) []Kind {
	var milder []Kind
	if k.Service.Is(at.Op) && at.Op.IsRequest() {
		if k.Direction != Replies {
			milder = append(milder, &LoseRequest{})
		}
		if k.Direction != Requests {
			milder = append(append(milder, (&LoseReply{}).weaker(at)...), &LoseReply{})
		}
	}
	if k.Service == ops.Every && at.Op.IsRequest() {
		milder = append(milder, &Partition{Service: at.Op.Service(), Direction: k.Direction, For: k.For})
	}
	if k.Direction == Both {
		milder = append(milder, &Partition{Service: k.Service, Direction: Replies, For: k.For}, &Partition{Service: k.Service, Direction: Requests, For: k.For})
	}
	return milder
}
