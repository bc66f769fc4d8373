package core

// Health is what a node tells an orchestrator. Alive holds as long as the
// process runs at all: an outage of a store is no reason to restart it. Ready
// fails while a store counts as down, or the process drains.
type Health struct {
	Alive bool
	Ready bool
	// Reason says why the node is not ready, or "".
	Reason string
}

// Health tells how the node is. It may be called from outside of its tasks, and
// makes no call to a store.
func (n *Node) Health() Health {
	h := Health{Alive: true}
	switch {
	case n.drainBy.Load() != 0:
		h.Reason = "draining"
	case n.kv.breaker.down():
		h.Reason = "the key-value store is down"
	case n.objects.breaker.down():
		h.Reason = "the object store is down"
	default:
		h.Ready = true
	}
	return h
}
