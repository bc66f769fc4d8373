// Package reports keeps what a person sees when the simulator finds a bug: for fourteen
// planted bugs the whole output of `go test` and of `gauntlet explain`, word by word.
// Whoever changes either reads all of them.
//
//	go test ./internal/reports                                    compare, two under -short
//	go test ./internal/reports -run '^TestReports$' -rewrite      write them anew
//	go test ./internal/reports -run '^TestTimes$' -every=1 -v     what explanations take, over all planted bugs
package reports
