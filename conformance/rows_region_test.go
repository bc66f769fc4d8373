package conformance_test

import (
	"strconv"

	"github.com/gauntlet-dst/gauntlet/conformance/rpc"
	fake "github.com/gauntlet-dst/gauntlet/fakes/tikv"
)

// regionErrors are rows 42 to 89: each error on each of three commands, once and
// for ever.
func regionErrors() []scenario {
	var list []scenario
	number := 42
	for _, e := range []fake.RegionError{
		fake.RegionEpochNotMatch, fake.RegionNotLeader, fake.RegionServerIsBusy, fake.RegionStaleCommand,
		fake.RegionNotFound, fake.RegionDiskFull, fake.RegionMaxTSNotSynced, fake.RegionUndetermined,
	} {
		for _, k := range []fake.Kind{fake.KindPrewrite, fake.KindCommit, fake.KindGet} {
			for _, again := range []bool{false, true} {
				list = append(list, scenario{name: strconv.Itoa(number), run: regionError(strconv.Itoa(number), k, rpc.Fate{Region: e}, again)})
				number++
			}
		}
	}
	return list
}

func regionError(id string, k fake.Kind, fate rpc.Fate, again bool) func(*world) {
	return func(w *world) {
		hook := once(kind(k), fate, nil)
		if again {
			hook = always(kind(k), fate)
		}
		p := w.peer()
		if k == fake.KindGet {
			p.on(hook)
			w.row(id, func() (string, error) { return p.get("a") })
			return
		}
		tx := p.writing("1", "a")
		p.on(hook)
		w.row(id, w.commit(tx))
	}
}
