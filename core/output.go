package core

import (
	"context"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// takeOutput makes sure that the output prefix is, and stays, the name's own.
// Two batches with one prefix would write the same keys: generations count by
// name (R1). A prefix within another's is refused, too. The rows of the
// prefixes above are locked, so that two submissions, one inside the other, do
// not both pass (R3).
func takeOutput(ctx context.Context, tx env.Txn, output, name string) error {
	key := outputPrefix + output
	row, ok, err := get(ctx, tx, key)
	if err != nil {
		return err
	}
	if ok {
		if string(row) != string(outputRow(name)) {
			return ErrOutputTaken
		}
		return nil
	}
	for at := strings.LastIndexByte(output, '/'); at > 0; at = strings.LastIndexByte(output[:at], '/') {
		above := outputPrefix + output[:at]
		if _, taken, err := get(ctx, tx, above); err != nil || taken {
			return firstError(err, ErrOutputTaken)
		}
		tx.Lock(above)
	}
	below, err := tx.Scan(ctx, key+"/", prefixEnd(key+"/"), 1)
	if err != nil {
		return err
	}
	if len(below) > 0 {
		return ErrOutputTaken
	}
	tx.Put(key, outputRow(name))
	return nil
}

// outputRow is output/<output>: whose it is.
func outputRow(name string) []byte {
	w := newRow("o1")
	w.text("name", name)
	return w.b
}
