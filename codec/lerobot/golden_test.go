package lerobot_test

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/codec/example"
	"github.com/gauntlet-dst/gauntlet/codec/internal/offline"
)

// TestMetaGolden shows what LeRobot's users see first of a dataset. Its images are
// raw pixels, so that no library's version shows.
func TestMetaGolden(t *testing.T) {
	c := codec(t)
	e, err := offline.Convert(c, "in/0.mcap", example.With(1, 12, example.Options{WriterOptions: example.Layout(2), Task: "stack", Raw: true}))
	require.NoError(t, err)
	published, err := offline.Publish(c, "demo", 1000, []offline.Episode{e})
	require.NoError(t, err)
	datadriven.RunTest(t, "testdata/meta", func(t *testing.T, d *datadriven.TestData) string {
		require.Equal(t, "show", d.Cmd)
		text := string(published[d.Input])
		return strings.ReplaceAll(text, `},"`, "},\n\"") // a feature's statistics a line
	})
	require.Len(t, published, 6)
}
