//go:build unix

package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

func TestCommunicateFeedsAndReadsBothOutputs(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		input := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // far more than pipes hold
		p := shell(t, ctx, "tee /dev/stderr", allPipes...)
		stdout, stderr, err := p.Communicate(ctx, input)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(stdout, input) || !bytes.Equal(stderr, input) {
			t.Errorf("%d bytes went in; %d and %d came out", len(input), len(stdout), len(stderr))
		}
		waitFor(t, ctx, p, 0)
	})
}

func TestCommunicateWithoutInputEndsStandardInput(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, input := range [][]byte{nil, {}} {
			p := start(t, ctx, inAndOut, "cat")
			stdout, stderr, err := p.Communicate(ctx, input)
			if err != nil || stdout == nil || len(stdout) != 0 || stderr != nil {
				t.Errorf("Communicate gives %v, %v, %v", stdout, stderr, err)
			}
		}
	})
}

func TestCommunicateRefusesInputWithoutAPipe(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, nil, "true")
		if _, _, err := p.Communicate(ctx, []byte("x")); err == nil {
			t.Error("the input went nowhere, without an error")
		}
		if _, _, err := p.Communicate(ctx, nil); err != nil {
			t.Error(err)
		}
	})
}

func TestCommunicateIgnoresThatTheInputWasNotRead(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		for _, line := range []string{"exit 0", "exec <&-; sleep 0.01; echo done"} {
			p := shell(t, ctx, line, inAndOut...)
			if _, _, err := p.Communicate(ctx, make([]byte, 1<<20)); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	})
}

func TestACancelledCommunicateCanBeTakenUpAgain(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		r, w, err := os.Pipe()
		must(t, err)
		defer r.Close()
		p := shell(t, ctx, "cat; echo partial; echo >&4; read x <&3; echo rest; echo wrong >&2",
			append(slices.Clone(allPipes), asyncio.WithExtraFiles(neverReady(t), w))...)
		must(t, w.Close())
		c := asyncio.Go(ctx, func(ctx context.Context) error {
			_, _, err := p.Communicate(ctx, []byte("input\n"))
			return err
		})
		_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) { return r.Read(make([]byte, 1)) })
		must(t, err)
		c.Cancel()
		if _, err := c.Await(ctx); !asyncio.IsCancelled(err) {
			t.Fatalf("the cancelled call gives %v", err)
		}
		if _, ended := p.ReturnCode(); ended {
			t.Fatal("the process has ended")
		}
		must(t, p.Kill())
		stdout, stderr, err := p.Communicate(ctx, nil)
		if string(stdout) != "input\npartial\n" || len(stderr) > 0 || err != nil {
			t.Errorf("the second call gives %q, %q, %v", stdout, stderr, err)
		}
		if code, _ := p.ReturnCode(); code != -9 {
			t.Error(code)
		}
	})
}

func TestATimeLimitEndsCommunicate(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		p := start(t, ctx, allPipes, "sleep", "1000")
		limited, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		if _, _, err := p.Communicate(limited, make([]byte, 1<<20)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the call gives %v", err)
		}
		must(t, p.Close())
		waitFor(t, ctx, p, -9)
	})
}
