package executor

import "time"

// Watch shows every event of the following runs; nil ends that.
func Watch(show func(now time.Duration, id uint64, what string)) { watch = show }
