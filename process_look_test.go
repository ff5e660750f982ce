//go:build unix

package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestALookShowsProcessesAndWhoWaitsForThem(t *testing.T) {
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Skip(err)
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		var all []*asyncio.Process
		var want []asyncio.ProcessLook
		for range 3 {
			p := start(t, ctx, inAndOut, "cat")
			all = append(all, p)
			want = append(want, asyncio.ProcessLook{PID: p.Pid(), Command: cat})
		}
		slices.SortFunc(want, func(a, b asyncio.ProcessLook) int { return a.PID - b.PID })
		for range 5 { // they stand in a map
			if k := asyncio.LookAtParts(l, asyncio.LookOptions{}); !slices.Equal(k.Processes, want) {
				t.Fatalf("%+v, want %+v", k.Processes, want)
			}
		}
		p := all[0]
		waits := asyncio.Go(ctx, func(ctx context.Context) error { return errorOf(p.Wait(ctx)) }, asyncio.WithName("waits"))
		turns(ctx, 2)
		if w := waitOf(t, ctx, "waits"); w.Kind != "process" || w.Detail != fmt.Sprintf("%d %s", p.Pid(), cat) || w.Object == "" {
			t.Errorf("%+v", w)
		}
		if s := fmt.Sprint(p); s != fmt.Sprintf("process %d, running", p.Pid()) {
			t.Error(s)
		}
		_, err := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) { return struct{}{}, p.Close() })
		if !errors.Is(err, asyncio.ErrWrongGoroutine) {
			t.Errorf("Close on another goroutine returned %v", err)
		}
		for _, p := range all {
			if err := p.Stdin.Close(); err != nil {
				t.Error(err)
			}
			if code, err := p.Wait(ctx); code != 0 || err != nil {
				t.Error(code, err)
			}
			if s := fmt.Sprint(p); s != fmt.Sprintf("process %d, ended with 0", p.Pid()) {
				t.Error(s)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
		waits.Await(ctx)
		if k := asyncio.LookAtParts(l, asyncio.LookOptions{}); len(k.Processes) != 0 {
			t.Errorf("%+v", k.Processes)
		}
	})
}
