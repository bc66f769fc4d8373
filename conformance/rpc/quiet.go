package rpc

import (
	"github.com/pingcap/failpoint"
	"github.com/pingcap/log"
	"github.com/tikv/client-go/v2/util"
	"go.uber.org/zap/zapcore"
)

// liveness is what the client asks itself about a store that a call was lost on.
const liveness = "tikvclient/injectLiveness"

// Quiet silences the real client's log, and makes it believe that a store on which
// it lost a call is alive: otherwise it would dial the store's address, which
// nobody has, and lose 80 seconds. Both hold for the whole process until restore is
// called.
func Quiet() (restore func(), err error) {
	util.EnableFailpoints()
	if err := failpoint.Enable(liveness, `return("reachable")`); err != nil {
		return nil, err
	}
	level := log.GetLevel()
	log.SetLevel(zapcore.FatalLevel)
	return func() {
		log.SetLevel(level)
		_ = failpoint.Disable(liveness) // it was enabled
	}, nil
}
