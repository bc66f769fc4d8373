package core

import (
	"context"

	"github.com/gauntlet-dst/gauntlet/core/env"
)

// discoveryRow is discovery/<bid>/<source>: how far one source was listed.
type discoveryRow struct {
	after string
	done  bool
	found int
	err   string
}

const (
	discoveryPrefix = "discovery/"
	sourceDigits    = 4 // of a source's number in keys
)

func discoveriesPrefix(id batchID) string { return discoveryPrefix + string(id) + "/" }

func discoveryKey(id batchID, source int) string {
	return discoveryPrefix + string(id) + "/" + pad(uint64(source), sourceDigits)
}

func (d *discoveryRow) fields(f *fields) {
	f.text("after", &d.after)
	f.bool("done", &d.done)
	f.int("found", &d.found)
	f.text("error", &d.err)
}

func (d *discoveryRow) encode() []byte {
	f := writeRow("d1")
	d.fields(&f)
	return f.row
}

func decodeDiscovery(key string, row []byte) (discoveryRow, error) {
	var d discoveryRow
	f := readRow(key, row, "d1")
	d.fields(&f)
	return d, f.end()
}

// readFound returns how many units of a batch were discovered so far.
func readFound(ctx context.Context, tx env.Txn, id batchID, b *batchRow, page int) (int, error) {
	if b.gen == id.gen() && b.units > 0 {
		return b.units, nil // discovery has ended
	}
	found := 0
	err := scan(ctx, tx, discoveriesPrefix(id), page, func(p env.Pair) (bool, error) {
		d, err := decodeDiscovery(p.Key, p.Value)
		found += d.found
		return true, err
	})
	return found, err
}

// readDiscovery returns the progress of one source, or that of none.
func readDiscovery(ctx context.Context, tx env.Txn, key string) (discoveryRow, error) {
	row, ok, err := get(ctx, tx, key)
	if err != nil || !ok {
		return discoveryRow{}, err
	}
	return decodeDiscovery(key, row)
}
