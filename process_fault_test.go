//go:build unix

package asyncio_test

import (
	"context"
	"os/exec"

	"github.com/asyncio-go/asyncio"
)

// A process whose pipes cannot be had is none: see
// TestWhatTheSystemRefusesIsAnErrorAndLeavesNothing.
func init() {
	cat, err := exec.LookPath("cat")
	if err != nil {
		return
	}
	for _, call := range []string{"OpenFile", "Start"} {
		for n := range 3 {
			processAttempts = append(processAttempts,
				attempt{"a process", call, n, func(ctx context.Context, _ string) error {
					return second(asyncio.CreateSubprocessExec(ctx, cat, nil, allPipes...))
				}},
				attempt{"a process of a protocol", call, n, func(ctx context.Context, _ string) error {
					return third(loopOf(ctx).SubprocessExec(ctx, func() asyncio.SubprocessProtocol { return &processRecorder{} }, cat, nil, allPipes...))
				}})
		}
	}
}
