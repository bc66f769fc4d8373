package child_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gauntlet-dst/gauntlet/e2e/child"
)

// starter makes this test binary the starter of a process: it prints the process's
// number and waits for its own end.
const starter = "CHILD_TEST_STARTER"

func TestMain(m *testing.M) {
	if os.Getenv(starter) == "" {
		os.Exit(m.Run())
	}
	p, err := child.Start(child.Spec{Args: []string{"sleep", "600"}})
	if err != nil {
		panic(err)
	}
	fmt.Println("pid", p.PID())
	select {}
}

const wait = 20 * time.Second

// TestEndsWithItsStarter: a starter that is killed takes its processes with it.
func TestEndsWithItsStarter(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	p, err := child.Start(child.Spec{Args: []string{self}, Env: []string{starter + "=1"}, Ready: "pid "})
	require.NoError(t, err)
	text, err := p.AwaitReady(wait)
	require.NoError(t, err)
	pid, err := strconv.Atoi(text)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, 0), "it runs")
	require.NoError(t, syscall.Kill(p.PID(), syscall.SIGKILL))
	<-p.Ended()
	require.Equal(t, "signal: killed", p.Exit())
	require.Eventually(t, func() bool { return !runs(pid) }, wait, 10*time.Millisecond)
}

// runs reports whether a process is there and has not ended.
func runs(pid int) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(state), ") Z ")
}

// TestKillsTheGroup: what a process has started ends with it.
func TestKillsTheGroup(t *testing.T) {
	p, err := child.Start(child.Spec{Args: []string{"sh", "-c", "sleep 600 & echo started $!; wait"}, Ready: "started "})
	require.NoError(t, err)
	text, err := p.AwaitReady(wait)
	require.NoError(t, err)
	grandchild, err := strconv.Atoi(text)
	require.NoError(t, err)
	p.Kill()
	require.False(t, p.Running())
	require.Eventually(t, func() bool { return !runs(grandchild) }, wait, 10*time.Millisecond)
	p.Signal(syscall.SIGTERM) // nobody is there any more
}

// output is a bytes.Buffer that two may write to.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// TestReadyAndEnded: a process that wrote its line was ready, though it has ended when
// somebody asks. Which of two things that have both happened a select sees is a coin's
// throw, so that one process would not tell.
func TestReadyAndEnded(t *testing.T) {
	for range 20 {
		p, err := child.Start(child.Spec{Args: []string{"echo", "ready at=1"}, Ready: "ready"})
		require.NoError(t, err)
		<-p.Ended()
		text, err := p.AwaitReady(wait)
		require.NoError(t, err)
		require.Equal(t, " at=1", text)
	}
}

func TestReady(t *testing.T) {
	var out output
	p, err := child.Start(child.Spec{Args: []string{"sh", "-c", "printf 're'; printf 'ady at=1\n'; echo more; exit 3"}, Output: &out, Ready: "ready"})
	require.NoError(t, err)
	text, err := p.AwaitReady(wait)
	require.NoError(t, err)
	require.Equal(t, " at=1", text)
	<-p.Ended()
	require.Equal(t, "exit status 3", p.Exit())
	require.Equal(t, "ready at=1\nmore\n", out.text.String())

	p, err = child.Start(child.Spec{Args: []string{"true"}, Ready: "ready"})
	require.NoError(t, err)
	_, err = p.AwaitReady(wait)
	require.ErrorContains(t, err, "ended before it was ready: exit status 0")

	_, err = child.Start(child.Spec{Args: []string{"/no/such/program"}})
	require.ErrorIs(t, err, os.ErrNotExist)
}
