package schema

// What a client's request is refused with, as its record tells.
const (
	Live        = "live"         // submit: the name's newest submission has not ended
	OutputTaken = "output taken" // submit: another name has the output
	NoBatch     = "no batch"     // cancel, retry: the name was never submitted
	Ended       = "ended"        // cancel, retry: the newest submission has ended
	Superseded  = "superseded"   // cancel: another submission took the name meanwhile
)
