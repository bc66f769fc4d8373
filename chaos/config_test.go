package chaos_test

import (
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gauntlet-dst/gauntlet/chaos"
	"github.com/gauntlet-dst/gauntlet/chaos/protocol"
	"github.com/gauntlet-dst/gauntlet/core/env"
)

// TestParse reads what the files under testdata/config hold and shows it as it
// is written back, or the refusal.
func TestParse(t *testing.T) {
	datadriven.Walk(t, "testdata/config", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			config, err := chaos.Parse("chaos.yaml", input(t, d), protocol.Catalogue())
			if err != nil {
				require.Zero(t, config)
				require.NotContains(t, err.Error(), "\n", "one line")
				require.Regexp(t, `^chaos\.yaml:[1-9][0-9]*: .*allowed: `, err.Error())
				return err.Error() + "\n"
			}
			require.NoError(t, config.Validate(protocol.Catalogue()))
			again, err := chaos.Parse("again.yaml", config.Marshal(), protocol.Catalogue())
			require.NoError(t, err)
			require.Equal(t, config, again)
			return string(config.Marshal())
		})
	})
}

func input(t *testing.T, d *datadriven.TestData) []byte {
	data := d.Input + "\n"
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "hex":
			raw, err := hex.DecodeString(strings.Join(strings.Fields(data), ""))
			require.NoError(t, err)
			return raw
		case "repeat":
			n, err := strconv.Atoi(arg.Vals[0])
			require.NoError(t, err)
			data = strings.Repeat(data, n)
		}
	}
	return []byte(data)
}

func drawTrigger(t *rapid.T) chaos.Trigger {
	trigger := chaos.Trigger{Once: rapid.Bool().Draw(t, "once")}
	if rapid.Bool().Draw(t, "rated") {
		trigger.Rate = rapid.Float64Range(1e-12, 0.999).Draw(t, "rate") // at 1, other points might not be reached
	}
	n := 0
	for range rapid.IntRange(0, 3).Draw(t, "calls") {
		n += rapid.IntRange(1, 1000).Draw(t, "gap")
		trigger.Nth = append(trigger.Nth, n)
	}
	if trigger.Rate == 0 && trigger.Nth == nil {
		trigger.Once = true // it must pick something
	}
	return trigger
}

func drawFailure(t *rapid.T, allowed []env.Class) *chaos.Failure {
	if rapid.Bool().Draw(t, "absent") {
		return nil
	}
	classes := append([]env.Class{env.ClassNone}, allowed...)
	return &chaos.Failure{Trigger: drawTrigger(t), Error: rapid.SampledFrom(classes).Draw(t, "class")}
}

func drawLatency(t *rapid.T) *chaos.Latency {
	if rapid.Bool().Draw(t, "absent") {
		return nil
	}
	low := rapid.Int64Range(1, int64(chaos.MaxDelay)).Draw(t, "min")
	high := rapid.Int64Range(low, int64(chaos.MaxDelay)).Draw(t, "max")
	return &chaos.Latency{Trigger: drawTrigger(t), Min: time.Duration(low), Max: time.Duration(high)}
}

func drawConfig(t *rapid.T) chaos.Config {
	config := chaos.Config{Seed: rapid.Uint64().Draw(t, "seed")}
	var names []string
	catalogue := protocol.Catalogue()
	for _, op := range catalogue.Operations() {
		names = append(names, op.Name)
	}
	names = append(names, "flip/kv.commit", "stage/objects.put", "heartbeat/kv.prewrite")

	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID[string]).Draw(t, "operations") {
		op, ok := catalogue.Lookup(name)
		require.True(t, ok)
		rule := chaos.Rule{
			Operation:   name,
			FailBefore:  drawFailure(t, op.FailBefore.Errors),
			FailAfter:   drawFailure(t, op.FailAfter.Errors),
			DelayBefore: drawLatency(t),
			DelayAfter:  drawLatency(t),
		}
		if rule != (chaos.Rule{Operation: name}) {
			config.Rules = append(config.Rules, rule)
		}
	}
	return config
}

// Whatever can be configured can be written down and read back.
func TestMarshalRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := drawConfig(t)
		require.NoError(t, config.Validate(protocol.Catalogue()))
		again, err := chaos.Parse("x", config.Marshal(), protocol.Catalogue())
		require.NoError(t, err, "%s", config.Marshal())
		require.Equal(t, config, again)
	})
}

// No input makes Parse panic or accept what Validate refuses.
func TestParseTakesAnything(t *testing.T) {
	words := rapid.SampledFrom([]string{
		"seed: ", "operations:", "\n", "  ", "    ", "kv.commit:", "convert: ", "fail_before: ", "{", "}", "rate: ", "0.5",
		"1.5", ", ", "nth: ", "[1, 2]", "once: true", "for: ", "1s", "error: ", "conflict", "- ", "&a ", "*a", "!!int ", "|", "#", "---\n", "...\n", "\x00", "é", "? ",
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(words).Draw(t, "words"), "")
		config, err := chaos.Parse("x", []byte(text), protocol.Catalogue())
		if err == nil {
			require.NoError(t, config.Validate(protocol.Catalogue()))
			return
		}
		require.Regexp(t, `^x:[1-9][0-9]*: [^\n]*allowed: [^\n]*$`, err.Error())
	})
}

// Validate names the place of what a program got wrong.
func TestValidate(t *testing.T) {
	once := chaos.Trigger{Once: true}
	for want, rule := range map[string]chaos.Rule{
		`operations.nope: unknown operation "nope", allowed: submit, `:                              {Operation: "nope", FailBefore: &chaos.Failure{Trigger: once}},
		"operations.flip.fail_before.rate: rate 2 is out of range, allowed: above 0 to 1":           {Operation: "flip", FailBefore: &chaos.Failure{Trigger: chaos.Trigger{Rate: 2}}},
		"operations.flip.delay_after.for: delay 0s is out of range, allowed: above 0s to 24h0m0s, ": {Operation: "flip", DelayAfter: &chaos.Latency{Trigger: once}},
		`operations.kv.get.fail_after.error: error "undetermined" cannot happen here, allowed: unavailable`: {
			Operation: "kv.get", FailAfter: &chaos.Failure{Trigger: once, Error: env.ClassUndetermined}},
		"operations.flip: nothing to do, allowed: fail_before, fail_after, delay_before, delay_after": {Operation: "flip"},
	} {
		err := chaos.Config{Rules: []chaos.Rule{rule}}.Validate(protocol.Catalogue())
		require.ErrorContains(t, err, want)
	}
	flip := chaos.Rule{Operation: "flip", FailBefore: &chaos.Failure{Trigger: once}}
	require.ErrorContains(t, chaos.Config{Rules: []chaos.Rule{flip, flip}}.Validate(protocol.Catalogue()), "operations.flip: operation given twice")
}
