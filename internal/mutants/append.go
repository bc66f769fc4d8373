package mutants

import (
	"encoding/json"
	"errors"
	"os"
)

// Append adds a result to a file, as a line of JSON; without a file it does nothing. A
// measurement that is ended keeps what it had.
func Append(file string, result any) error {
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(f).Encode(result), f.Close())
}
