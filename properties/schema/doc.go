// Package schema is the second reader of what the conversion stores: rows, their
// keys, and the keys of objects, as core's documentation describes them and not
// as core's code writes them. It imports nothing, so that everybody who judges or
// shows what is stored can use it, and nobody needs another; core's own writer
// and reader stay its own, or a mistake in them would agree with itself.
package schema
