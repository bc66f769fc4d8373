package dataset

import (
	"context"
	"strconv"
	"unicode/utf8"
)

const (
	infoPath          = "meta/info.json"
	episodesPath      = "meta/episodes.jsonl"
	episodesStatsPath = "meta/episodes_stats.jsonl"
	tasksPath         = "meta/tasks.jsonl"
	statsPath         = "meta/stats.json"
	manifestPath      = "manifest.json"

	metaObjects = 5
)

// writeMeta writes the objects that describe the episodes. Those that grow
// with the number of episodes are handed over record by record.
func (p *publication) writeMeta(ctx context.Context) error {
	steps := [metaObjects]struct {
		path    string
		size    int64
		produce func(w *objectWriter) error
	}{
		{tasksPath, p.metaSize(0), func(w *objectWriter) error { return p.appendTasks(ctx, w) }},
		{episodesPath, p.metaSize(64), func(w *objectWriter) error { return p.appendEpisodes(ctx, w) }},
		{episodesStatsPath, p.metaSize(1024), func(w *objectWriter) error { return p.appendEpisodesStats(ctx, w) }},
		{statsPath, 1024, func(w *objectWriter) error { return p.appendDatasetStats(w) }},
		{infoPath, 2048, func(w *objectWriter) error { p.appendInfo(w); return nil }},
	}
	for _, s := range steps {
		if err := p.write(ctx, s.path, s.size, s.produce); err != nil {
			return err
		}
	}
	return nil
}

func (p *publication) appendTasks(ctx context.Context, w *objectWriter) error {
	for i, task := range p.tasks {
		w.buf = append(w.buf, `{"task_index":`...)
		w.buf = strconv.AppendInt(w.buf, int64(i), 10)
		w.buf = append(w.buf, `,"task":`...)
		w.buf = appendString(w.buf, task)
		w.buf = append(w.buf, "}\n"...)
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *publication) appendEpisodes(ctx context.Context, w *objectWriter) error {
	for i := range p.episodes {
		summary := &p.episodes[i].Summary
		w.buf = append(w.buf, `{"episode_index":`...)
		w.buf = strconv.AppendInt(w.buf, int64(i), 10)
		w.buf = append(w.buf, `,"tasks":[`...)
		w.buf = appendString(w.buf, summary.Task)
		w.buf = append(w.buf, `],"length":`...)
		w.buf = strconv.AppendInt(w.buf, summary.Frames, 10)
		w.buf = append(w.buf, "}\n"...)
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *publication) appendEpisodesStats(ctx context.Context, w *objectWriter) error {
	for i := range p.episodes {
		if err := p.parseStats(i); err != nil {
			return err
		}
		w.buf = append(w.buf, `{"episode_index":`...)
		w.buf = strconv.AppendInt(w.buf, int64(i), 10)
		w.buf = append(w.buf, `,"stats":`...)
		layout := p.layoutStats(i)
		var err error
		if w.buf, err = p.appendStats(w.buf, p.stats, &layout); err != nil {
			return err
		}
		w.buf = append(w.buf, "}\n"...)
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// appendDatasetStats sums the episodes' statistics up. A dataset without an
// episode has none.
func (p *publication) appendDatasetStats(w *objectWriter) error {
	if len(p.episodes) == 0 {
		w.buf = append(w.buf, "{}\n"...)
		return nil
	}
	all := make([]Stat, len(p.stats))
	var layout [layoutFeatures]Stat
	for i := range p.episodes {
		if err := p.parseStats(i); err != nil {
			return err
		}
		for c := range all {
			if err := all[c].Merge(p.stats[c]); err != nil {
				return err
			}
		}
		for c, stat := range p.layoutStats(i) {
			if err := layout[c].Merge(stat); err != nil {
				return err
			}
		}
	}
	var err error
	if w.buf, err = p.appendStats(w.buf, all, &layout); err != nil {
		return err
	}
	w.buf = append(w.buf, '\n')
	return nil
}

// parseStats reads the statistics of episode i into p.stats.
func (p *publication) parseStats(i int) error {
	e := &p.episodes[i]
	if err := ParseStats(p.stats, e.Summary.Stats); err != nil {
		return err
	}
	own := p.stats
	for i := range p.schema.Features {
		f := &p.schema.Features[i]
		for _, stat := range own[:f.Components] {
			if stat.Count%f.samples() != 0 || stat.Count/f.samples() != e.Summary.Frames {
				return invalid("read statistics", e.Key, errFrames)
			}
		}
		own = own[f.Components:]
	}
	return nil
}

const layoutFeatures = 4

// layoutNames are the columns that every dataset has.
var layoutNames = [layoutFeatures]string{"frame_index", "episode_index", "index", "task_index"}

// layoutStats are the statistics of layoutNames for episode i.
func (p *publication) layoutStats(i int) [layoutFeatures]Stat {
	place, n := p.places[i], p.episodes[i].Summary.Frames
	return [layoutFeatures]Stat{
		series(0, n),
		constant(int64(place.Episode), n),
		series(place.FirstIdx, n),
		constant(int64(place.TaskIndex), n),
	}
}

// appendStats appends one JSON object with the statistics of every feature.
func (p *publication) appendStats(dst []byte, own []Stat, layout *[layoutFeatures]Stat) ([]byte, error) {
	separator := byte('{')
	var err error
	for i := range p.schema.Features {
		f := &p.schema.Features[i]
		if f.Components == 0 {
			continue
		}
		dst = append(dst, separator)
		separator = ','
		if dst, err = appendFeatureStats(dst, f, own[:f.Components]); err != nil {
			return dst, err
		}
		own = own[f.Components:]
	}
	for i := range layout {
		dst = append(dst, separator)
		separator = ','
		if dst, err = appendFeatureStats(dst, &Feature{Name: layoutNames[i]}, layout[i:i+1]); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendFeatureStats appends "name":{"min":[...],"max":...,"mean":...,
// "std":...,"count":[n]}, where n is the number of frames.
func appendFeatureStats(dst []byte, f *Feature, stats []Stat) ([]byte, error) {
	for i := range stats {
		if err := stats[i].check(); err != nil {
			return dst, err
		}
	}
	divisor := f.divisor()
	open, end := "[", "]"
	if f.DType == "image" {
		open, end = "[[[", "]]]" // a channel's value, of the shape (1, 1)
	}
	each := func(head string, value func(s *Stat) []byte) {
		dst = append(dst, head...)
		for i := range stats {
			if i > 0 {
				dst = append(append(append(dst, end[1:]...), ','), open[1:]...)
			} else {
				dst = append(dst, open...)
			}
			dst = value(&stats[i])
		}
		dst = append(dst, end...)
	}
	dst = appendString(dst, f.Name)
	each(`:{"min":`, func(s *Stat) []byte { return appendQuotient(dst, s.Min, divisor) })
	each(`,"max":`, func(s *Stat) []byte { return appendQuotient(dst, s.Max, divisor) })
	each(`,"mean":`, func(s *Stat) []byte { return strconv.AppendFloat(dst, s.mean(divisor), 'f', -1, 64) })
	each(`,"std":`, func(s *Stat) []byte { return strconv.AppendFloat(dst, s.std(divisor), 'f', -1, 64) })
	dst = append(dst, `,"count":[`...)
	dst = strconv.AppendInt(dst, stats[0].Count/f.samples(), 10)
	return append(dst, "]}"...), nil
}

func appendComma(dst []byte, i int) []byte {
	if i == 0 {
		return dst
	}
	return append(dst, ',')
}

// appendQuotient appends v over divisor: with all decimals if the divisor is a
// power of ten, else rounded to a float64.
func appendQuotient(dst []byte, v, divisor int64) []byte {
	decimals, rest := 0, divisor
	for ; rest%10 == 0; rest /= 10 {
		decimals++
	}
	if rest != 1 {
		return strconv.AppendFloat(dst, float64(v)/float64(divisor), 'f', -1, 64)
	}
	if v < 0 {
		dst = append(dst, '-')
	}
	unit := uint64(divisor)
	m := magnitude(v)
	dst = strconv.AppendUint(dst, m/unit, 10)
	if decimals == 0 {
		return dst
	}
	dst = append(dst, '.')
	return appendPadded(dst, int(m%unit), decimals)
}

func (p *publication) appendInfo(w *objectWriter) {
	n := len(p.episodes)
	chunks := (n + p.spec.ChunkSize - 1) / p.spec.ChunkSize
	b := append(w.buf, "{\n    \"codebase_version\": \"v2.1\",\n    \"robot_type\": "...)
	b = appendString(b, p.schema.RobotType)
	b = appendField(b, "total_episodes", int64(n))
	b = appendField(b, "total_frames", p.frames)
	b = appendField(b, "total_tasks", int64(len(p.tasks)))
	b = appendField(b, "total_videos", 0)
	b = appendField(b, "total_chunks", int64(chunks))
	b = appendField(b, "chunks_size", int64(p.spec.ChunkSize))
	b = appendField(b, "fps", int64(p.schema.FPS))
	b = append(b, ",\n    \"splits\": {\n        \"train\": \"0:"...)
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, "\"\n    },\n    \"data_path\": \"data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}."...)
	b = append(b, p.deps.Codec.Ext()...)
	b = append(b, "\",\n    \"video_path\": null,\n    \"features\": {"...)
	for i := range p.schema.Features {
		b = appendFeature(appendComma(b, i), &p.schema.Features[i])
	}
	for i, name := range layoutNames {
		b = appendFeature(appendComma(b, i+len(p.schema.Features)), &Feature{Name: name, DType: "int64", Components: 1})
	}
	w.buf = append(b, "\n    }\n}\n"...)
}

func appendField(dst []byte, name string, value int64) []byte {
	dst = append(dst, ",\n    \""...)
	dst = append(dst, name...)
	dst = append(dst, "\": "...)
	return strconv.AppendInt(dst, value, 10)
}

func appendFeature(dst []byte, f *Feature) []byte {
	dst = append(dst, "\n        "...)
	dst = appendString(dst, f.Name)
	dst = append(dst, ": {\n            \"dtype\": "...)
	dst = appendString(dst, f.DType)
	dst = append(dst, ",\n            \"shape\": ["...)
	shape := f.Shape
	if shape == nil {
		shape = []int{max(f.Components, 1)}
	}
	for i, n := range shape {
		dst = append(appendComma(dst, i), "\n                "...)
		dst = strconv.AppendInt(dst, int64(n), 10)
	}
	dst = append(dst, "\n            ],\n            \"names\": "...)
	if f.Names == nil {
		return append(dst, "null\n        }"...)
	}
	dst = append(dst, '[')
	for i, name := range f.Names {
		dst = append(appendComma(dst, i), "\n                "...)
		dst = appendString(dst, name)
	}
	return append(dst, "\n            ]\n        }"...)
}

// appendManifest names everything that was published.
func (p *publication) appendManifest(ctx context.Context, w *objectWriter) error {
	w.buf = append(w.buf, "{\n\"name\":"...)
	w.buf = appendString(w.buf, p.spec.Name)
	w.buf = append(w.buf, ",\n\"generation\":"...)
	w.buf = appendString(w.buf, p.spec.Generation)
	w.buf = append(w.buf, ",\n\"total_episodes\":"...)
	w.buf = strconv.AppendInt(w.buf, int64(len(p.episodes)), 10)
	w.buf = append(w.buf, ",\n\"total_frames\":"...)
	w.buf = strconv.AppendInt(w.buf, p.frames, 10)
	w.buf = append(w.buf, ",\n\"total_tasks\":"...)
	w.buf = strconv.AppendInt(w.buf, int64(len(p.tasks)), 10)
	w.buf = append(w.buf, ",\n\"units\":["...)
	for i := range p.episodes {
		w.buf = append(appendComma(w.buf, i), "\n{\"unit\":"...)
		w.buf = appendString(w.buf, p.episodes[i].UnitID)
		w.buf = append(w.buf, `,"source":`...)
		w.buf = appendString(w.buf, p.episodes[i].Source)
		w.buf = append(w.buf, `,"episode_index":`...)
		w.buf = strconv.AppendInt(w.buf, int64(i), 10)
		w.buf = append(w.buf, '}')
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.buf = append(w.buf, "],\n\"objects\":["...)
	for i := range p.objects {
		object := &p.objects[i]
		w.buf = append(appendComma(w.buf, i), "\n{\"path\":"...)
		w.buf = appendString(w.buf, object.Path)
		w.buf = append(w.buf, `,"size":`...)
		w.buf = strconv.AppendInt(w.buf, object.Size, 10)
		w.buf = append(w.buf, `,"etag":`...)
		w.buf = appendString(w.buf, object.ETag)
		w.buf = append(w.buf, `,"digest":"`...)
		w.buf = appendHex(w.buf, uint64(object.Digest))
		w.buf = append(w.buf, "\"}"...)
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.buf = append(w.buf, "]\n}\n"...)
	return nil
}

// appendString appends s as a JSON string; what is not UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		i++
	}
	return append(dst, '"')
}
