package workload

import (
	"fmt"
	"strconv"
	"strings"
)

// Reference returns the dataset that the batch must publish: every object's
// exact bytes under its path within the dataset, without manifest.json, which
// tells generations and ETags. It is nil if the batch is poisoned.
//
// It works as one would with a table of the whole dataset in memory: column by
// column, without streaming, states or merging.
func Reference(b *Batch) map[string][]byte {
	if b.Poisoned() {
		return nil
	}
	episodes := b.episodes()
	t := table{chunk: b.ChunkSize, objects: make(map[string][]byte, len(episodes)+5)}
	frames := 0
	for _, e := range episodes {
		frames += e.recording.Frames
	}
	for c := range t.columns {
		t.columns[c] = make(column, 0, frames)
	}
	for _, e := range episodes {
		t.add(e.recording)
	}
	t.objects["meta/tasks.jsonl"] = t.taskLines
	t.objects["meta/episodes.jsonl"] = t.episodeLines
	t.objects["meta/episodes_stats.jsonl"] = t.statsLines
	t.objects["meta/stats.json"] = append(describe(nil, t.columns[:]), '\n')
	t.objects["meta/info.json"] = t.info()
	return t.objects
}

// column is all values of one column, over one episode or over the dataset.
type column []int64

// The columns that have statistics, in the order in which they are described.
const (
	number = iota
	timestamp
	state0
	state1
	action
	frameIndex
	episodeIndex
	index
	taskIndex
	columns
)

// features names the columns; a feature of two columns stands at its first.
var features = [columns]struct {
	name   string
	width  int
	micros bool
}{
	number:       {name: "number", width: 1},
	timestamp:    {name: "timestamp", width: 1, micros: true},
	state0:       {name: "observation.state", width: 2},
	action:       {name: "action", width: 1},
	frameIndex:   {name: "frame_index", width: 1},
	episodeIndex: {name: "episode_index", width: 1},
	index:        {name: "index", width: 1},
	taskIndex:    {name: "task_index", width: 1},
}

// table is the dataset as far as it has been built.
type table struct {
	chunk    int
	objects  map[string][]byte
	episodes int
	tasks    []string
	columns  [columns]column

	taskLines, episodeLines, statsLines []byte
}

// add appends one episode.
func (t *table) add(r *Recording) {
	task := t.task(r.Task)
	from := len(t.columns[index])
	id := fmt.Sprintf("%016x", r.ID)
	text := make([]byte, 0, 96*r.Frames)
	start := r.frame(0).stamp
	for i := range r.Frames {
		f := r.frame(i)
		row := [columns]int64{
			f.number, (f.stamp - start) / 1000,
			int64(f.values[0]), int64(f.values[1]), int64(f.values[2]),
			int64(i), int64(t.episodes), int64(from + i), int64(task),
		}
		for c, v := range row {
			t.columns[c] = append(t.columns[c], v)
		}
		text = appendRow(text, id, &row)
	}
	path := fmt.Sprintf("data/chunk-%03d/episode_%06d.csv", t.episodes/t.chunk, t.episodes)
	t.objects[path] = text

	var own [columns]column
	for c := range own {
		own[c] = t.columns[c][from:]
	}
	t.episodeLines = fmt.Appendf(t.episodeLines, `{"episode_index":%d,"tasks":[%s],"length":%d}`+"\n",
		t.episodes, quote(r.Task), r.Frames)
	t.statsLines = fmt.Appendf(t.statsLines, `{"episode_index":%d,"stats":`, t.episodes)
	t.statsLines = append(describe(t.statsLines, own[:]), "}\n"...)
	t.episodes++
}

// task returns the task's index: tasks are numbered as they appear.
func (t *table) task(task string) int {
	for i, known := range t.tasks {
		if known == task {
			return i
		}
	}
	t.tasks = append(t.tasks, task)
	t.taskLines = fmt.Appendf(t.taskLines, `{"task_index":%d,"task":%s}`+"\n", len(t.tasks)-1, quote(task))
	return len(t.tasks) - 1
}

// appendRow appends one line of an episode.
func appendRow(text []byte, source string, row *[columns]int64) []byte {
	text = append(text, source...)
	for c, v := range row {
		text = append(text, ',')
		if c == timestamp {
			text = appendMicros(text, v)
			continue
		}
		text = strconv.AppendInt(text, v, 10)
	}
	return append(text, '\n')
}

// appendMicros appends microseconds as seconds with six decimals.
func appendMicros(text []byte, micros int64) []byte {
	text = strconv.AppendInt(text, micros/1_000_000, 10)
	begin := len(text)
	text = strconv.AppendInt(text, 1_000_000+micros%1_000_000, 10)
	text[begin] = '.' // in the place of the 1 that kept the zeros
	return text
}

func (t *table) info() []byte {
	const (
		head = `{
    "codebase_version": "v2.1",
    "robot_type": "simulated",
    "total_episodes": %[1]d,
    "total_frames": %[2]d,
    "total_tasks": %[3]d,
    "total_videos": 0,
    "total_chunks": %[4]d,
    "chunks_size": %[5]d,
    "fps": 30,
    "splits": {
        "train": "0:%[1]d"
    },
    "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.csv",
    "video_path": null,
    "features": {
`
		feature = `        "%s": {
            "dtype": "%s",
            "shape": [
                %d
            ],
            "names": null
        }%s
`
		tail = "    }\n}\n"
	)
	described := [...]struct {
		name, dtype string
		shape       int
	}{
		{"source", "string", 1},
		{"number", "int64", 1},
		{"timestamp", "float64", 1},
		{"observation.state", "int32", 2},
		{"action", "int32", 1},
		{"frame_index", "int64", 1},
		{"episode_index", "int64", 1},
		{"index", "int64", 1},
		{"task_index", "int64", 1},
	}
	chunks := t.episodes / t.chunk
	if t.episodes%t.chunk > 0 {
		chunks++
	}
	text := fmt.Appendf(make([]byte, 0, 2048), head, t.episodes, len(t.columns[index]), len(t.tasks), chunks, t.chunk)
	for i, f := range described {
		comma := ","
		if i == len(described)-1 {
			comma = ""
		}
		text = fmt.Appendf(text, feature, f.name, f.dtype, f.shape, comma)
	}
	return append(text, tail...)
}

// quote returns s as a JSON string; tasks have no control characters.
func quote(s string) string {
	s = strings.ReplaceAll(s, `\`, `\\`)
	return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
}
