package lerobot

import (
	"encoding/json"
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"
)

const (
	// A row group ends behind the row that makes it so many rows, or so many
	// bytes: it is held in memory until then.
	groupRows  = 1000
	groupBytes = 8 << 20
)

// layout is the Parquet schema of an episode. Every column is nullable, although
// no value is null: that is how Hugging Face's datasets describes its features,
// and only a column that is as they say is taken for an image.
type layout struct {
	schema   *parquet.Schema
	features string         // Hugging Face's description, as JSON
	columns  map[string]int // of leaves, by their paths, joined by '/'
	skip     []parquet.WriterOption
}

// The columns that the rewriter adds, besides timestamp.
var placed = [...]string{"frame_index", "episode_index", "index", "task_index"}

func newLayout(c *Config) (*layout, error) {
	l := &layout{columns: make(map[string]int)}
	group := parquet.Group{"timestamp": float32Node()}
	features := map[string]any{"timestamp": valueFeature("float32")}
	for i := range c.Vectors {
		v := &c.Vectors[i]
		if len(v.Joints) == 1 { // a shape of (1,) is a plain number
			group[v.Feature], features[v.Feature] = float32Node(), valueFeature("float32")
			continue
		}
		group[v.Feature] = parquet.Optional(parquet.List(float32Node()))
		features[v.Feature] = map[string]any{"_type": "Sequence", "feature": valueFeature("float32"), "length": -1}
	}
	for i := range c.Cameras {
		feature := c.Cameras[i].Feature
		group[feature] = parquet.Optional(parquet.Group{
			"bytes": parquet.Optional(parquet.Encoded(parquet.Leaf(parquet.ByteArrayType), &parquet.Plain)),
			"path":  parquet.Optional(parquet.Encoded(parquet.String(), &parquet.Plain)),
		})
		features[feature] = map[string]any{"_type": "Image"}
		l.skip = append(l.skip, parquet.SkipPageBounds(feature, "bytes")) // or a footer holds whole images
	}
	for _, name := range placed {
		group[name] = parquet.Optional(parquet.Leaf(parquet.Int64Type))
		features[name] = valueFeature("int64")
	}
	text, err := json.Marshal(map[string]any{"info": map[string]any{"features": features}})
	if err != nil {
		return nil, err
	}
	l.features, l.schema = string(text), parquet.NewSchema("schema", group)
	for i, path := range l.schema.Columns() {
		name := path[0]
		if len(path) == 2 { // of an image
			name += "/" + path[1]
		}
		l.columns[name] = i
	}
	return l, nil
}

func float32Node() parquet.Node { return parquet.Optional(parquet.Leaf(parquet.FloatType)) }

func valueFeature(dtype string) any { return map[string]any{"_type": "Value", "dtype": dtype} }

// writer begins a file. Nothing in it tells of the time, the machine or the
// library's version.
func (l *layout) writer(to io.Writer) *parquet.GenericWriter[any] {
	options := append([]parquet.WriterOption{
		l.schema,
		parquet.CreatedBy("gauntlet", "1", "0"),
		parquet.KeyValueMetadata("huggingface", l.features),
		parquet.DataPageVersion(1),
		parquet.DataPageStatistics(false), // or the head of a page holds whole images
		parquet.Compression(&parquet.Uncompressed),
		parquet.WriteBufferSize(0),
	}, l.skip...)
	return parquet.NewGenericWriter[any](to, options...)
}

// row is one row in the making: the values of each column.
type row struct {
	layout *layout
	values parquet.Row
	byCol  [][]parquet.Value
}

func (l *layout) newRow() *row {
	return &row{layout: l, byCol: make([][]parquet.Value, len(l.columns))}
}

// put sets a column that holds one value, which is never null.
func (r *row) put(name string, v parquet.Value, definition int) {
	i := r.layout.columns[name]
	r.byCol[i] = append(r.byCol[i][:0], v.Level(0, definition, i))
}

func (r *row) int(name string, v int64)     { r.put(name, parquet.Int64Value(v), 1) }
func (r *row) float(name string, v float32) { r.put(name, parquet.FloatValue(v), 1) }
func (r *row) floats(name string, v []float32) {
	i := r.layout.columns[name]
	r.byCol[i] = r.byCol[i][:0]
	for k, x := range v {
		r.byCol[i] = append(r.byCol[i], parquet.FloatValue(x).Level(min(k, 1), 3, i))
	}
}

func (r *row) image(name string, bytes []byte, frame int64, f format) {
	path := "frame_" + padded(frame) + extensions[f]
	r.put(name+"/bytes", parquet.ByteArrayValue(bytes), 2)
	r.put(name+"/path", parquet.ByteArrayValue([]byte(path)), 2)
}

func padded(n int64) string {
	text := strconv.FormatInt(n, 10)
	for len(text) < 6 {
		text = "0" + text
	}
	return text
}

// all returns the row, column by column.
func (r *row) all() parquet.Row {
	r.values = r.values[:0]
	for _, column := range r.byCol {
		r.values = append(r.values, column...)
	}
	return r.values
}
