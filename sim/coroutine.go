package sim

import (
	"iter"
	"runtime"
	"runtime/debug"
)

// coroutine runs functions, one after another, on a stack of its own, one piece at
// a time. It is the only place that knows how actors are suspended: start, resume
// and kill from outside, block from inside. iter.Pull switches stacks without the
// Go scheduler, at about a quarter of the cost of a goroutine and two channels.
type coroutine struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	fn    func()
	done  bool // fn has ended
	// crash is what the function panicked with, and its stack.
	crash any
	stack []byte
}

// pull is what coroutines are made of; tests put goroutines and channels in its
// place.
var pull = iter.Pull[struct{}]

// newCoroutine makes a coroutine for any number of functions. It must be killed,
// or retired, in the end.
func newCoroutine() *coroutine {
	c := &coroutine{}
	c.next, c.stop = pull(func(yield func(struct{}) bool) {
		c.yield = yield
		growStack()
		for more := true; more; more = yield(struct{}{}) {
			c.run()
		}
	})
	return c
}

// start gives a coroutine that is new, or done, a function: it runs up to its first
// block at the next resume.
func (c *coroutine) start(fn func()) { c.fn, c.done = fn, false }

// growStack lets the stack grow once, to what actors need, while there is little
// on it to move. Else it doubles three times under their deepest calls.
//
//go:noinline
func growStack() {
	var frame [7 << 10]byte
	runtime.KeepAlive(&frame)
}

func (c *coroutine) run() {
	defer c.finished()
	c.fn()
}

// finished notes the end of the function. A panic is kept with its own stack:
// left alone it would surface in resume with the scheduler's.
func (c *coroutine) finished() {
	c.fn, c.done = nil, true
	if r := recover(); r != nil {
		c.crash, c.stack = r, debug.Stack()
	}
}

// resume runs the function until it blocks again or ends.
func (c *coroutine) resume() { c.next() }

// block suspends the function until the next resume. If the coroutine is killed
// meanwhile, block never returns: the stack unwinds by Goexit, which no recover
// in the system under test can swallow.
func (c *coroutine) block() {
	if !c.yield(struct{}{}) {
		runtime.Goexit()
	}
}

// kill unwinds a coroutine whose function has not ended; its deferred functions
// run. Goexit propagates to whoever calls stop, so that is a throw-away goroutine,
// and the scheduler waits for it.
func (c *coroutine) kill() {
	if c.done {
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.stop()
	}()
	<-ended
	c.done = true
}

// retire ends a coroutine whose function has ended.
func (c *coroutine) retire() { c.stop() }
