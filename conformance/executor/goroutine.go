package executor

import (
	"runtime"
	"strconv"
	"strings"
)

// goroutine is the number of the calling goroutine. Three seams have no context
// that could tell whose task calls: randomness, scratch space and the recorder.
func goroutine() uint64 {
	var buf [64]byte
	line := string(buf[:runtime.Stack(buf[:], false)]) // "goroutine 18 [running]:"
	number, _, _ := strings.Cut(strings.TrimPrefix(line, "goroutine "), " ")
	n, _ := strconv.ParseUint(number, 10, 64)
	return n
}
