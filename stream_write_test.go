package asyncio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// plainAndTLS runs body twice, with a pair of options for each.
func plainAndTLS(t *testing.T, ctx context.Context, body func(name string, server []asyncio.ServerOption, client []asyncio.ConnOption)) {
	t.Helper()
	body("plain", nil, nil)
	body("TLS", []asyncio.ServerOption{asyncio.WithTLS(serverTLS())}, []asyncio.ConnOption{asyncio.WithTLS(clientTLS())})
}

func TestWriteLinesOfAStreamWritesAllInOrderAndCounts(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		plainAndTLS(t, ctx, func(name string, server []asyncio.ServerOption, client []asyncio.ConnOption) {
			srv := serve(t, ctx, echo, server...)
			s := dial(t, ctx, srv.Addr(), client...)
			if n, err := s.WriteLines(blocksOf("one ", "", "two ", "three")...); n != 13 || err != nil {
				t.Errorf("%s: wrote %d, %v", name, n, err)
			}
			if p, err := s.ReadExactly(ctx, 13); string(p) != "one two three" || err != nil {
				t.Errorf("%s: read %q, %v", name, p, err)
			}
			if n, err := s.WriteLines(); n != 0 || err != nil {
				t.Errorf("%s: nothing: %d, %v", name, n, err)
			}
			s.Close()
			if n, err := s.WriteLines([]byte("x")); n != 0 || err == nil {
				t.Errorf("%s: after Close: %d, %v", name, n, err)
			}
			shutdown(t, ctx, srv)
		})
	})
}

func TestWriteLinesOnAForeignGoroutineWritesNothing(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		plainAndTLS(t, ctx, func(name string, server []asyncio.ServerOption, client []asyncio.ConnOption) {
			srv := serve(t, ctx, echo, server...)
			s := dial(t, ctx, srv.Addr(), client...)
			asyncio.ToThread(ctx, func(context.Context) (int, error) {
				n, err := s.WriteLines([]byte("foreign"))
				if n != 0 || !errors.Is(err, asyncio.ErrWrongGoroutine) {
					t.Errorf("%s: wrote %d, %v", name, n, err)
				}
				return n, err
			})
			s.Write([]byte("own"))
			s.WriteEOF()
			if p, err := s.ReadAll(ctx); string(p) != "own" || err != nil {
				t.Errorf("%s: read %q, %v", name, p, err)
			}
			s.Close()
			shutdown(t, ctx, srv)
		})
	})
}

// A write that is interrupted while it is held up has written all the same.
func TestInterruptedWriteHasQueuedAll(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		const size = 6 << 20
		plainAndTLS(t, ctx, func(name string, server []asyncio.ServerOption, client []asyncio.ConnOption) {
			read := asyncio.NewFuture[int64](loopOf(ctx))
			begin := new(asyncio.Event)
			srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
				if err := begin.Wait(ctx); err != nil {
					return err
				}
				n, err := io.Copy(io.Discard, s)
				read.SetResult(n)
				return err
			}, server...)
			s := dial(t, ctx, srv.Addr(), client...)
			for _, write := range []func([]byte) (int, error){s.Write, func(p []byte) (int, error) { return s.WriteLines(p) }} {
				writer := asyncio.CreateTask(ctx, func(context.Context) (int, error) {
					n, err := write(make([]byte, size))
					if n != size {
						t.Errorf("%s: it says that it has written %d", name, n)
					}
					return n, err
				})
				turns(ctx, 5)
				writer.Cancel()
				if _, err := writer.Await(ctx); !asyncio.IsCancelled(err) {
					t.Errorf("%s: the write gave %v", name, err)
				}
			}
			begin.Set()
			s.Close()
			if n, err := read.Await(ctx); n != 2*size || err != nil {
				t.Errorf("%s: %d bytes arrived, %v", name, n, err)
			}
			shutdown(t, ctx, srv)
		})
	})
}

// What waits for the queue to sink is told why writing has failed, also when it
// comes later.
func TestDrainTellsThatWritingHasFailed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ln := must(net.Listen("tcp", "127.0.0.1:0"))
		defer ln.Close()
		s := dial(t, ctx, ln.Addr())
		if err := s.Drain(ctx); err != nil {
			t.Errorf("with nothing queued: %v", err)
		}
		reset(must(ln.Accept())) //asyncvet:ignore blocking the other side has connected, or does so at once
		var failure error
		for failure == nil {
			_, failure = s.Write([]byte("x"))
			asyncio.Sleep(ctx, 0)
		}
		if err := s.Drain(ctx); !errors.Is(err, errors.Unwrap(failure)) && err != failure {
			t.Errorf("Drain gave %v, and the write %v", err, failure)
		}
		s.Abort()
		if err := s.Drain(ctx); err == nil {
			t.Error("Drain of a stream that is closed gave no error")
		}
	})
}

func TestSendfileByCopyingIsHeldUpByAPeerThatDoesNotRead(t *testing.T) {
	const size = 24 << 20
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, nil)
		f.Truncate(size)
		loopOf(ctx).SetDefaultExecutor(asyncio.NewThreadPoolExecutor(1)) // so that each job waits for a read
		begin := new(asyncio.Event)
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			if err := begin.Wait(ctx); err != nil {
				return err
			}
			io.Copy(io.Discard, s) // which is cut off
			return nil
		}, asyncio.WithTLS(serverTLS()))
		s := dial(t, ctx, srv.Addr(), asyncio.WithTLS(clientTLS()))
		sent := asyncio.CreateTask(ctx, func(ctx context.Context) (int64, error) { return s.Sendfile(ctx, f, 0, -1) })
		for s.WriteBufferSize() < 64<<10 {
			if err := asyncio.Sleep(ctx, 0); err != nil || sent.Done() {
				t.Fatalf("nothing was queued; Sendfile is done: %t", sent.Done())
			}
		}
		most := 0
		for i := 0; i < 300 && most <= 1<<20; i++ {
			most = max(most, s.WriteBufferSize())
			asyncio.ToThread(ctx, func(context.Context) (int, error) { return 0, nil })
		}
		if most > 1<<20 || sent.Done() {
			t.Errorf("%d bytes are queued, and Sendfile is done: %t", most, sent.Done())
		}
		s.Abort()
		if _, err := sent.Await(ctx); err == nil {
			t.Error("Sendfile of a stream that was aborted gave no error")
		}
		begin.Set()
		shutdown(t, ctx, srv)
	})
}

// A file that cannot be read to its end is an error, and the count says how much
// of it the peer gets.
func TestSendfileOfAFileThatBreaksSaysHowMuchWasSent(t *testing.T) {
	const size = 16 << 20
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, make([]byte, size))
		begin := new(asyncio.Event)
		read := asyncio.NewFuture[int64](loopOf(ctx))
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			if err := begin.Wait(ctx); err != nil {
				return err
			}
			n, err := io.Copy(io.Discard, s)
			read.SetResult(n)
			return err
		}, asyncio.WithTLS(serverTLS()))
		s := dial(t, ctx, srv.Addr(), asyncio.WithTLS(clientTLS()))
		sent := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			n, err := s.Sendfile(ctx, f, 0, -1)
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("Sendfile gave %v", err)
			}
			return int(n), nil
		})
		for s.WriteBufferSize() < 64<<10 {
			asyncio.Sleep(ctx, 0)
		}
		f.Close()
		begin.Set()
		n, _ := sent.Await(ctx)
		s.Close()
		if got, err := read.Await(ctx); got != int64(n) || n == 0 || n == size || err != nil {
			t.Errorf("%d bytes arrived, %v; Sendfile said %d", got, err, n)
		}
		shutdown(t, ctx, srv)
	})
}

// What is written while a file is being sent comes after it, by itself: nobody
// has to write again or to close.
func TestWhatIsWrittenBehindAFileFollowsIt(t *testing.T) {
	const size = 8 << 20
	data := pattern(size)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, data)
		for _, count := range []int64{-1, size} {
			server, client := pair(t, ctx)
			server.transport.PauseReading()
			sent := asyncio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
				return loopOf(ctx).Sendfile(ctx, client.transport, f, 0, count)
			})
			asyncio.Sleep(ctx, 0)
			asyncio.Sleep(ctx, 0)
			client.transport.Write([]byte("behind"))
			server.transport.ResumeReading()
			server.untilData(ctx, size+6)
			if n, err := sent.Await(ctx); n != size || err != nil {
				t.Errorf("Sendfile gave %d, %v", n, err)
			}
			client.transport.Abort()
			server.untilCall(ctx, "lost")
			client.untilCall(ctx, "lost")
		}
	})
}

func TestWhileAFileIsSentNoOtherAndNoTLSMayBegin(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, pattern(8<<20))
		server, client := pair(t, ctx)
		server.transport.PauseReading()
		sent := asyncio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
			return loopOf(ctx).Sendfile(ctx, client.transport, f, 0, -1)
		})
		turns(ctx, 2)
		if !sent.Done() && strings.HasSuffix(t.Name(), "/epoll") { // elsewhere it is copied
			if _, err := loopOf(ctx).StartTLS(ctx, client.transport, namedTLS(), false); !errors.Is(err, asyncio.ErrInvalidState) {
				t.Errorf("StartTLS gave %v", err)
			}
			if _, err := loopOf(ctx).Sendfile(ctx, client.transport, f, 0, -1); !errors.Is(err, asyncio.ErrInvalidState) {
				t.Errorf("another Sendfile gave %v", err)
			}
			if client.transport.IsClosing() {
				t.Error("the transport was closed")
			}
		}
		client.transport.Abort()
		if _, err := sent.Await(ctx); err == nil {
			t.Error("the file was sent")
		}
		server.transport.ResumeReading()
		server.untilCall(ctx, "lost")
		client.untilCall(ctx, "lost")
	})
}

// frontConn puts what was not written yet before the first write, in one piece.
type frontConn struct {
	net.Conn
	front []byte
}

func (c *frontConn) Write(p []byte) (int, error) {
	n := len(c.front)
	m, err := c.Conn.Write(append(c.front, p...))
	c.front = nil
	return max(m-n, 0), err
}

// A client may send its first message of TLS right behind the line that asks for
// it: the stream has read it when TLS begins.
func TestStartTLSTakesWhatTheStreamHasReadAlready(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, func(ctx context.Context, s *asyncio.Stream) error {
			if line, err := s.ReadLine(ctx); string(line) != "STARTTLS\n" || err != nil {
				t.Errorf("read %q, %v", line, err)
			}
			if err := s.StartServerTLS(ctx, serverTLS()); err != nil {
				return err
			}
			return echo(ctx, s)
		})
		got, err := asyncio.ToThread(ctx, func(context.Context) (string, error) {
			nc, err := net.Dial("tcp", srv.Addr().String())
			if err != nil {
				return "", err
			}
			c := tls.Client(&frontConn{nc, []byte("STARTTLS\n")}, namedTLS())
			defer c.Close()
			if _, err := c.Write([]byte("secret")); err != nil {
				return "", err
			}
			p := make([]byte, 6)
			_, err = io.ReadFull(c, p)
			return string(p), err
		})
		if got != "secret" || err != nil {
			t.Errorf("the client read %q, %v", got, err)
		}
		shutdown(t, ctx, srv)
	})
}

// The context of a read is the reader's affair: a stream that lives long does
// not keep it.
func TestStreamLetsGoOfTheContextOfARead(t *testing.T) {
	type key struct{}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		plainAndTLS(t, ctx, func(name string, server []asyncio.ServerOption, client []asyncio.ConnOption) {
			srv := serve(t, ctx, echo, server...)
			s := dial(t, ctx, srv.Addr(), client...)
			mustBeLetGo(t, name, func(x *thing) {
				ctx, cancel := context.WithCancel(context.WithValue(ctx, key{}, x))
				defer cancel()
				s.Write([]byte("x"))
				if p, err := s.ReadContext(ctx, make([]byte, 1)); p != 1 || err != nil {
					t.Errorf("%s: read %d, %v", name, p, err)
				}
			})
			s.Close()
			shutdown(t, ctx, srv)
		})
	})
}

func TestReadOfNothingDoesNotWait(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		plainAndTLS(t, ctx, func(name string, server []asyncio.ServerOption, client []asyncio.ConnOption) {
			srv := serve(t, ctx, echo, server...)
			s := dial(t, ctx, srv.Addr(), client...)
			if n, err := s.Read(nil); n != 0 || err != nil {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			s.Write(bytes.Repeat([]byte("x"), 10))
			if p, err := s.ReadExactly(ctx, 4); len(p) != 4 || err != nil {
				t.Errorf("%s: %d bytes, %v", name, len(p), err)
			}
			p := make([]byte, 4)
			if n, err := s.Read(p); n != 4 || err != nil { // of what is buffered
				t.Errorf("%s: %d, %v", name, n, err)
			}
			s.Close()
			shutdown(t, ctx, srv)
		})
	})
}

func TestStreamIsForTheTasksOfItsLoop(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		s := dial(t, ctx, srv.Addr())
		if got, want := s.Conn().RemoteAddr().String(), s.RemoteAddr().String(); got != want || want != srv.Addr().String() {
			t.Errorf("the peer is %s, and %s", got, want)
		}
		if got, want := s.Conn().LocalAddr().String(), s.LocalAddr().String(); got != want {
			t.Errorf("this side is %s, and %s", got, want)
		}
		asyncio.ToThread(ctx, func(context.Context) (int, error) {
			return 0, asyncio.Run(context.Background(), func(ctx context.Context) error {
				for name, err := range map[string]error{
					"ReadLine": errorOf(s.ReadLine(ctx)), "ReadExactly": errorOf(s.ReadExactly(ctx, 1)),
					"Drain": s.Drain(ctx), "WaitClosed": s.WaitClosed(ctx),
				} {
					if !errors.Is(err, asyncio.ErrWrongLoop) {
						t.Errorf("%s gave %v", name, err)
					}
				}
				return nil
			}, asyncio.WithVirtualClock())
		})
		s.Close()
		shutdown(t, ctx, srv)
	})
}

func TestHandshakeLeavesNoTimerBehind(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo, asyncio.WithTLS(serverTLS()))
		s := dial(t, ctx, srv.Addr(), asyncio.WithTLS(clientTLS()))
		s.Write([]byte("x"))
		s.ReadExactly(ctx, 1) // the server's handshake is over, too
		if n := loopOf(ctx).Stats().Timers; n != 0 {
			t.Errorf("%d timers are set", n)
		}
		s.Close()
		shutdown(t, ctx, srv)
	})
}
