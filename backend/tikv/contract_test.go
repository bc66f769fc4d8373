package tikv_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gauntlet-dst/gauntlet/fakes/kvcontract"
)

// TestContract runs the suite on the real client over its own mock store, each
// test in a bubble of virtual time: an 80 s back-off takes milliseconds.
func TestContract(t *testing.T) {
	quiet(t)
	kvcontract.Run(t, func(t *testing.T, body func(*testing.T, kvcontract.Store)) {
		synctest.Test(t, func(t *testing.T) {
			s := newMockStore(t)
			defer func() {
				s.close()
				time.Sleep(time.Minute) // the client's pools and tickers end by themselves
			}()
			body(t, s)
		})
	})
}
