// Command worker stands for a production binary: it wraps what it has, as a
// configuration says, and makes one call. The symbol test builds it both ways.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/chaos/protocol"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

type kv struct{}

func (kv) Begin(context.Context) (env.Txn, error) { return nil, nil }

func main() {
	path := ""
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	e, err := chaos.Wrap(&env.Env{KV: kv{}}, protocol.Catalogue(), path)
	if err == nil {
		_, err = e.KV.Begin(context.Background())
	}
	fmt.Println(err)
}
