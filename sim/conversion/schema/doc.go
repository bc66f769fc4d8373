// Package schema is the second reader of what the conversion stores: rows, their
// keys, and the keys of objects, as core's documentation describes them and not
// as core's code writes them. It imports nothing, so that everybody who judges or
// shows what is stored can use it, and nobody needs another; core's own writer
// and reader stay its own, or a mistake in them would agree with itself.
//
// Fields are named after those of the rows and mean what core's documentation
// says; a text field that is left out is "", and what this version of the schema
// does not know is skipped. Decoding fails, and says why, for another version
// word, a field without a name, a number that is none, or a broken quotation.
package schema
