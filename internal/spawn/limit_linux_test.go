package spawn_test

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio/internal/spawn"
)

// Whichever descriptor cannot be had, the process is not started, and those that were
// opened before are closed.
func TestAStartThatRunsOutOfDescriptorsLeavesNothingOpen(t *testing.T) {
	if r, w, err := os.Pipe(); err == nil { // Go's poller, once there is one, has descriptors of its own
		_, _ = r.Close(), w.Close()
	}
	var saved syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &saved); err != nil {
		t.Fatal(err)
	}
	// limited starts the command with so few descriptors.
	limited := func(c spawn.Command, n uint64) (*spawn.Process, error) {
		starter := must(spawn.New(&c))
		limit := saved
		limit.Cur = n
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &saved)
		return starter.Start()
	}
	for name, c := range map[string]spawn.Command{
		"pipes":          {Name: "/bin/true", Std: std(spawn.Pipe, spawn.Pipe, spawn.Pipe)},
		"blocking pipes": {Name: "/bin/true", Std: std(spawn.Pipe, spawn.Pipe, spawn.Pipe), Blocking: true},
		"null devices":   {Name: "/bin/true", Std: std(spawn.DevNull, spawn.DevNull, spawn.DevNull)},
		"a terminal":     {Name: "/bin/true", Attributes: spawn.Attributes{Terminal: &spawn.Size{Columns: 80, Rows: 25}}},
	} {
		before, failures := descriptors(), 0
		for n := uint64(3); ; n++ {
			p, err := limited(c, n)
			if err == nil {
				_, _ = p.Wait()
				p.ClosePipes()
				break
			}
			if name == "a terminal" && (errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission)) {
				t.Skip("no terminals here: ", err)
			}
			failures++
			if !errors.Is(err, syscall.EMFILE) || p != nil {
				t.Fatalf("%s, %d descriptors: %v, %v", name, n, p, err)
			}
			if after := descriptors(); after > before {
				t.Fatalf("%s, %d descriptors: %d before, %d after", name, n, before, after)
			}
		}
		if failures == 0 {
			t.Errorf("%s: nothing was refused", name)
		}
	}
}
