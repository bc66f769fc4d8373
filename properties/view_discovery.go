package properties

import "github.com/gauntlet-dst/gauntlet/sim/conversion/schema"

// discovery is how far the listing of a source is.
type discovery struct {
	key    string
	sub    *submission
	source uint64
	now    schema.Discovery
	exists bool
	last   discoveryChange
}

// discoveryChange is a discovery's row written or deleted.
type discoveryChange struct {
	rowChange
	sub *submission
}

func (c *discoveryChange) show(on *on) error { return handle(on.discovery, c) }

func takeDiscovery(v *view, c rowChange, rest, row string) error {
	d := v.discoveries[c.key]
	if d == nil {
		bid, source, ok := schema.SplitDiscoveryKey(rest)
		if !ok {
			return errKey
		}
		d = &discovery{key: c.key, sub: v.submission(bid), source: source}
		v.discoveries[c.key] = d
		d.sub.discoveries = append(d.sub.discoveries, d)
	}
	d.last = discoveryChange{rowChange: c, sub: d.sub}
	v.changes = append(v.changes, &d.last)
	d.exists = !c.deleted
	if c.deleted {
		d.now = schema.Discovery{}
		return nil
	}
	return d.now.Decode(row)
}
