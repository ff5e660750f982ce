//go:build unix

package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
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

// An unreadableDriver has files of which nothing can be read once it says so.
type unreadableDriver struct {
	driver.Driver
	refuses bool
}

func (d *unreadableDriver) OpenFile(f *os.File) (driver.Conn, error) {
	c, err := d.Driver.OpenFile(f)
	if err != nil {
		return nil, err
	}
	return &unreadableConn{c, d}, nil
}

type unreadableConn struct {
	driver.Conn
	d *unreadableDriver
}

func (c *unreadableConn) Read(p []byte) (int, error) {
	if c.d.refuses {
		return 0, errFault
	}
	return c.Conn.Read(p)
}

// An output that cannot be read says why, be it that a task reads, or that the process has
// ended and nobody does.
func TestAnOutputThatFailsSaysWhyFromThenOn(t *testing.T) {
	for name, o := range drivers() {
		for _, ends := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ends), func(t *testing.T) {
				d := &unreadableDriver{Driver: must(asyncio.NewDriver(o))}
				runOn(t, asyncio.WithDriver(d), func(t *testing.T, ctx context.Context) {
					p := shell(t, ctx, "echo ready; read x; echo more", inAndOut...)
					readLine(t, ctx, p.Stdout)
					if err := p.Stdout.Err(); err != nil {
						t.Error(err)
					}
					d.refuses = true
					fmt.Fprintln(p.Stdin, "end")
					if ends {
						waitFor(t, ctx, p, 0)
						eventually(t, ctx, "what is left is looked at", func() bool { return p.Stdout.Err() != nil })
					}
					for range 2 {
						if line, err := p.Stdout.ReadLine(ctx); !errors.Is(err, errFault) || len(line) != 0 {
							t.Errorf("%q, %v", line, err)
						}
					}
					if err := p.Stdout.Err(); !errors.Is(err, errFault) {
						t.Errorf("Err returned %v", err)
					}
					if _, err := p.Wait(ctx); err != nil { // nobody may have its output any more
						t.Error(err)
					}
				})
			})
		}
	}
}

// A doubtingDriver tells of the end of a process twice.
type doubtingDriver struct{ driver.Driver }

type twice struct{ driver.Handler }

func (h twice) Ready(e driver.Event) {
	h.Handler.Ready(e)
	h.Handler.Ready(e)
}

func (d doubtingDriver) WatchProcess(p *os.Process, h driver.Handler) (io.Closer, error) {
	return d.Driver.(driver.ProcessWatcher).WatchProcess(p, twice{h})
}

func TestAProcessWhoseEndIsToldTwiceEndsOnce(t *testing.T) {
	for name, o := range drivers() {
		d := must(asyncio.NewDriver(o))
		if _, watches := d.(driver.ProcessWatcher); !watches {
			_ = d.Close()
			continue
		}
		t.Run(name, func(t *testing.T) {
			runOn(t, asyncio.WithDriver(doubtingDriver{d}), func(t *testing.T, ctx context.Context) {
				r := &processRecorder{}
				launch(t, ctx, r, "exit 3")
				r.until(ctx, "lost")
				turns(ctx, 2)
				r.check(t, "exited")
			})
		})
	}
}
