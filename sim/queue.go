package sim

// eventKind is what an event does when its turn comes.
type eventKind uint8

const (
	evRequest eventKind = iota + 1 // a request reaches a store
	evReply                        // a reply reaches its caller
	evTimer                        // a task's own timer fires
	evResume                       // a task starts or is woken by another
	evContext                      // a context's deadline
	evWorld                        // the world acts: heal, resume, restart
)

// event is one thing that can happen next. when is virtual nanoseconds, of
// messages the place that the arm's strategy gave them; tie orders equals.
type event struct {
	when int64
	tie  uint64
	pos  int32 // index in its queue, -1 outside
	kind eventKind
	gen  uint32 // of task.wait when the event was made: stale if it moved on
	task *task
	msg  *message    // evRequest, evReply
	node *cancelNode // evContext
	act  func()      // evWorld
	id   uint64      // identity, for keyed choices
	due  int64       // evTimer: when it was due in virtual time
}

// queue is a binary heap of events by (when, tie) that can remove from the
// middle: most timers never fire.
type queue struct{ heap []*event }

func (q *queue) len() int { return len(q.heap) }

func before(a, b *event) bool {
	return a.when < b.when || a.when == b.when && a.tie < b.tie
}

func (q *queue) head() *event {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

func (q *queue) push(e *event) {
	q.heap = append(q.heap, e)
	q.up(len(q.heap)-1, e)
}

func (q *queue) pop() *event {
	e := q.heap[0]
	q.removeAt(0)
	return e
}

// remove takes e out if it is in the queue.
func (q *queue) remove(e *event) {
	if e.pos >= 0 {
		q.removeAt(int(e.pos))
	}
}

func (q *queue) removeAt(i int) {
	last := len(q.heap) - 1
	q.heap[i].pos = -1
	moved := q.heap[last]
	q.heap[last] = nil
	q.heap = q.heap[:last]
	if i == last {
		return
	}
	if i > 0 && before(moved, q.heap[(i-1)/2]) {
		q.up(i, moved)
		return
	}
	q.down(i, moved)
}

func (q *queue) up(i int, e *event) {
	for i > 0 {
		parent := (i - 1) / 2
		if !before(e, q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		q.heap[i].pos = int32(i)
		i = parent
	}
	q.heap[i] = e
	e.pos = int32(i)
}

func (q *queue) down(i int, e *event) {
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			break
		}
		if child+1 < len(q.heap) && before(q.heap[child+1], q.heap[child]) {
			child++
		}
		if !before(q.heap[child], e) {
			break
		}
		q.heap[i] = q.heap[child]
		q.heap[i].pos = int32(i)
		i = child
	}
	q.heap[i] = e
	e.pos = int32(i)
}
