package tikv

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestSettled: a first timestamp that PD's client cancelled itself is asked for
// again, a bounded number of times; any other failure is told at once.
func TestSettled(t *testing.T) {
	cancelled := fmt.Errorf("first timestamp: %w", status.Error(codes.Canceled, "context canceled"))
	lost := fmt.Errorf("first timestamp: %w", status.Error(codes.Unavailable, "connection refused"))
	for _, c := range []struct {
		name   string
		fails  []error
		opened int
		err    error
	}{
		{"at once", nil, 1, nil},
		{"cancelled twice", []error{cancelled, cancelled}, 3, nil},
		{"cancelled for ever", []error{cancelled, cancelled, cancelled, cancelled, cancelled}, openTries, cancelled},
		{"out of reach", []error{lost}, 1, lost},
	} {
		t.Run(c.name, func(t *testing.T) {
			opened := 0
			_, err := settled(func() (int, error) {
				opened++
				if opened <= len(c.fails) {
					return 0, c.fails[opened-1]
				}
				return 1, nil
			})
			require.Equal(t, c.opened, opened)
			require.Equal(t, c.err, err)
		})
	}
}
