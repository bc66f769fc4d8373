package executor

import (
	"context"
	"runtime"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/objstore"
	"github.com/gauntlet-dst/gauntlet/sim/ops"
)

// objectTransport carries one incarnation's requests to the object store.
type objectTransport struct{ in *incarnation }

func (o objectTransport) Send(ctx context.Context, req *objstore.Request, resp *objstore.Response, timeout time.Duration) error {
	o.in.live()
	m := &message{in: o.in, owner: ownerOf(ctx), subject: req.Key}
	m.Op, m.Object = ops.OfObjects(req.Kind), *req
	m.serve = func(m *message) { o.in.u.court.Objects().Handle(&m.Object, &m.ObjectReply) }
	err := m.roundTrip(ctx, timeout)
	switch err {
	case nil:
		*resp = m.ObjectReply
	case errDead:
		runtime.Goexit()
	}
	return err
}
