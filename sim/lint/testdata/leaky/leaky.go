// Package leaky breaks every ban once. The linter must find each.
package leaky

import (
	"context"
	"math/rand"
	"os"
	"sync"
	"time"
)

var cache = map[string]int{}

type box struct {
	mu sync.Mutex
}

func (b *box) locked(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls(ctx)
}

func calls(context.Context) {}

func leak(ctx context.Context, m map[string]int) int {
	defer func() { _ = recover() }()
	for key := range m {
		cache[key]++
	}
	done := make(chan struct{})
	go close(done)
	select {
	case <-done:
	case <-time.After(time.Second):
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	(&box{}).locked(ctx)
	if time.Now().Unix() > 0 && os.Getenv("LEAK") != "" {
		cache = nil
	}
	return rand.Int()
}

func hang(ctx context.Context, work <-chan int) {
	<-ctx.Done()
	for range work {
	}
	var wait sync.WaitGroup
	wait.Go(func() {})
	wait.Wait()
}

func sum(m map[string]int) (n int) {
	//gauntlet:allow map range: a sum has no order
	for _, v := range m {
		n += v
	}
	for _, v := range m { //gauntlet:allow map range
		n += v
	}
	return n
}
