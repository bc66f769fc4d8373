// Package timeline tells recorded runs to programs: as JSON lines, one event a
// line, and as a Chrome trace, which Perfetto opens. It also says what of a run
// belongs into the story of its violation, and where two runs part; package page
// draws all of that. docs/TIMELINE.md describes what is written.
package timeline
