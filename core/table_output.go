package core

import (
	"context"
	"strings"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// outputRow is output/<output>: whose the prefix is.
type outputRow struct{ name string } // "<ns>/<name>"

const outputPrefix = "output/"

func outputKey(output string) string { return outputPrefix + output }

func (o *outputRow) fields(f *fields) { f.text("name", &o.name) }

func (o *outputRow) encode() []byte {
	f := writeRow("o1")
	o.fields(&f)
	return f.row
}

// takeOutput makes sure that the output prefix is, and stays, the name's own.
// Two batches with one prefix would write the same keys: generations count by
// name (R1). A prefix within another's is refused, too. The rows of the
// prefixes above are locked, so that two submissions, one inside the other, do
// not both pass (R3).
func takeOutput(ctx context.Context, tx env.Txn, output, name string) error {
	key := outputKey(output)
	mine := outputRow{name: name}
	row, ok, err := get(ctx, tx, key)
	if err != nil {
		return err
	}
	if ok {
		if string(row) != string(mine.encode()) {
			return ErrOutputTaken
		}
		return nil
	}
	for at := strings.LastIndexByte(output, '/'); at > 0; at = strings.LastIndexByte(output[:at], '/') {
		above := outputKey(output[:at])
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
	tx.Put(key, mine.encode())
	return nil
}

// checkSources makes sure that no source lies in an output, or holds one, be it
// the same name's of an earlier submission: janitors delete there. The rows
// above are locked, so that a submission that takes one of them as its output
// meanwhile does not pass as well (R3).
func checkSources(ctx context.Context, tx env.Txn, sources []Source) error {
	looked := map[string]bool{}
	for _, source := range sources {
		at := strings.LastIndexByte(source.URL, '/') // a prefix's own end, or that of what an object lies in
		if source.listed() {
			below, err := tx.Scan(ctx, outputPrefix+source.URL, prefixEnd(outputPrefix+source.URL), 1)
			if err != nil || len(below) > 0 {
				return firstError(err, invalid("submit", source.URL, "the output of a batch lies within the source"))
			}
		}
		for ; at > 0 && !looked[source.URL[:at]]; at = strings.LastIndexByte(source.URL[:at], '/') {
			looked[source.URL[:at]] = true
			above := outputPrefix + source.URL[:at]
			if _, taken, err := get(ctx, tx, above); err != nil || taken {
				return firstError(err, invalid("submit", source.URL, "the source lies within the output of a batch"))
			}
			tx.Lock(above)
		}
	}
	return nil
}
