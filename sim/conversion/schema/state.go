package schema

// State is a unit's.
type State uint8

// The states of a unit; None is that of one whose row is not there.
const (
	None State = iota
	Pending
	Processing
	Complete
	Failed
	Dead
	Cancelled
	states
)

var stateNames = [states]string{"absent", "pending", "processing", "complete", "failed", "dead", "cancelled"}

func (s State) String() string { return stateNames[s] }

// StateOf returns the state of that name, or None.
func StateOf(name string) State {
	for state := Pending; state < states; state++ {
		if stateNames[state] == name {
			return state
		}
	}
	return None
}

// States are those that a row can have, in the order in which status rows count
// them.
func States() []State { return []State{Pending, Processing, Complete, Failed, Dead, Cancelled} }

// Counts are how many units are in each state.
type Counts [states]int64

// Terminal reports whether nothing more is done for a batch in this phase.
func Terminal(phase string) bool {
	switch phase {
	case "complete", "failed", "cancelled", "expired":
		return true
	}
	return false
}
