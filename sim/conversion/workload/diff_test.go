package workload_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/sim/conversion/workload"
)

func TestDiffTellsTheFirstDifference(t *testing.T) {
	long := strings.Repeat("0123456789", 20)
	reference := map[string][]byte{"a": []byte("one\ntwo\nthree\n"), "b": []byte(long), "c": nil}
	cases := []struct {
		name string
		edit func(published map[string][]byte)
		want string
	}{
		{"equal", func(map[string][]byte) {}, ""},
		{"manifest", func(p map[string][]byte) { p["manifest.json"] = []byte("{}") }, ""},
		{"missing", func(p map[string][]byte) { delete(p, "b") }, "object b is missing"},
		{"missing and empty", func(p map[string][]byte) { delete(p, "c") }, "object c is missing"},
		{"additional", func(p map[string][]byte) { p["d"] = nil }, "object d should not exist"},
		{
			"other byte", func(p map[string][]byte) { p["a"] = []byte("one\ntwi\nthree\n") },
			`object a differs in line 2, column 3 (byte 6): want "two", got "twi"`,
		},
		{
			"shorter", func(p map[string][]byte) { p["a"] = []byte("one\ntwo\n") },
			`object a ends after 8 of 14 bytes, in line 3: want "three"`,
		},
		{
			"empty", func(p map[string][]byte) { p["a"] = nil },
			`object a ends after 0 of 14 bytes, in line 1: want "one"`,
		},
		{
			"longer", func(p map[string][]byte) { p["a"] = []byte("one\ntwo\nthree\nfour\n") },
			`object a has 5 bytes after its end, from line 4 on: "four"`,
		},
		{
			"in a long line", func(p map[string][]byte) { p["b"] = []byte(long[:100] + "x" + long[101:]) },
			`object b differs in line 1, column 101 (byte 100): want ..."` + long[60:140] + `"..., got ..."` + long[60:100] + "x" + long[101:140] + `"...`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			published := make(map[string][]byte)
			for path, body := range reference {
				published[path] = bytes.Clone(body)
			}
			c.edit(published)
			err := workload.Diff(reference, published)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.want)
		})
	}
	require.EqualError(t, workload.Diff(nil, map[string][]byte{"a": nil}),
		"a dataset of 1 objects was published of a batch that contains poison")
}

// twoEpisodes is a batch whose manifest is edited below.
func twoEpisodes() *workload.Batch {
	return &workload.Batch{Name: "x", ChunkSize: 1, Sources: []workload.Source{{
		Prefix: "in/",
		Recordings: []workload.Recording{
			{Name: "b.rec", ID: 2, Frames: 2, Task: "t"},
			{Name: "a.rec", ID: 1, Frames: 3, Task: "t"},
		},
	}}}
}

func TestCheckManifestNotices(t *testing.T) {
	b := twoEpisodes()
	stored, err := publish(t, b, plainShape)
	require.NoError(t, err)
	manifest := string(stored["manifest.json"])
	delete(stored, "manifest.json")
	require.NoError(t, workload.CheckManifest(b, []byte(manifest), stored))

	edits := map[string][2]string{
		"syntax":            {`"objects":[`, `"objects":(`},
		"name":              {`"name":"x"`, `"name":"y"`},
		"generation":        {`"generation":"00000001-00000007"`, `"generation":""`},
		"episodes":          {`"total_episodes":2`, `"total_episodes":3`},
		"frames":            {`"total_frames":5`, `"total_frames":4`},
		"tasks":             {`"total_tasks":1`, `"total_tasks":2`},
		"order":             {`in/a.rec","episode_index":0`, `in/a.rec","episode_index":1`},
		"source":            {`bucket/in/b.rec`, `bucket/in/c.rec`},
		"unit twice":        {`"unit":"staging/in/b.rec"`, `"unit":"staging/in/a.rec"`},
		"unit without id":   {`"unit":"staging/in/b.rec"`, `"unit":""`},
		"unknown object":    {`meta/info.json`, `meta/other.json`},
		"object twice":      {`meta/info.json`, `meta/stats.json`},
		"object's size":     {`"size":28`, `"size":29`},
		"object's digest":   {`"digest":"`, `"digest":"0`},
		"no object at all":  {manifest[strings.Index(manifest, `"objects"`):], `"objects":[]}`},
		"one unit too few":  {manifest[strings.Index(manifest, ",\n{\"unit\":\"staging/in/b"):strings.Index(manifest, "],\n\"objects\"")], ``},
		"object of no size": {`"size"`, `"length"`},
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, manifest, edit[0])
			spoilt := strings.Replace(manifest, edit[0], edit[1], 1)
			require.Error(t, workload.CheckManifest(b, []byte(spoilt), stored))
		})
	}
}

// Whatever byte of whatever object is published wrongly, Diff sees it.
func TestDiffSeesEveryByte(t *testing.T) {
	reference := workload.Reference(twoEpisodes())
	for path, body := range reference {
		for i := range body {
			published := make(map[string][]byte)
			for p, b := range reference {
				published[p] = b
			}
			published[path] = bytes.Clone(body)
			published[path][i] ^= 1
			require.Error(t, workload.Diff(reference, published))
		}
	}
}
