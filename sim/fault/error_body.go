package fault

import (
	"github.com/gauntlet-dst/gauntlet/core/env"
	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
)

// ErrorBody answers the completion of an upload with 200 and an error inside;
// it is not applied, which the caller cannot know.
type ErrorBody struct{ none }

var errorBodyInfo = Info{
	Name: "error-body", About: "the completion of an upload is answered with 200 and an error inside", Effect: "no",
	Strikes: completions, Requests: true,
	Share: 500,                                                   // few calls can meet it
	Aim:   Aim{Weight: 1, At: completions, Spread: 10, Burst: 6}, // of two or three steps only
	New:   func() Kind { return &ErrorBody{} },
}

func (*ErrorBody) Info() *Info { return &errorBodyInfo }

func (*ErrorBody) Admit(m *Message) Verdict {
	m.ObjectReply = objstore.Response{Err: env.ClassUndetermined, Code: "InternalError"}
	return Answered
}
