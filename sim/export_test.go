package sim

// Printable is printable.
var Printable = printable
