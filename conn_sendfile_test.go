package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// fileOf makes a file.
func fileOf(t *testing.T, data []byte) *os.File {
	t.Helper()
	f := must(os.Create(filepath.Join(t.TempDir(), "file")))
	t.Cleanup(func() { f.Close() })
	must(f.Write(data))
	return f
}

func TestSendfileSendsAPartOrAllInItsPlace(t *testing.T) {
	const size = 3 << 20
	data := pattern(size)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, data)
		for _, secure := range []bool{false, true} {
			connect := pair
			if secure {
				connect = securePair
			}
			server, client := connect(t, ctx)
			l, tr := loopOf(ctx), client.transport
			server.transport.PauseReading()
			big := pattern(1 << 20)
			tr.Write(big) // more than the kernel takes: it is queued before the file
			sent := asyncio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
				return l.Sendfile(ctx, tr, f, 0, -1)
			})
			asyncio.Sleep(ctx, 0)
			server.transport.ResumeReading()
			if n, err := sent.Await(ctx); n != size || err != nil {
				t.Errorf("Sendfile gave %d, %v", n, err)
			}
			tr.Write([]byte("after"))
			for _, c := range []struct{ offset, count, want int64 }{
				{5, 100, 100}, {size - 5, 100, 5}, {size + 5, 100, 0}, {0, 0, 0},
			} {
				if n, err := l.Sendfile(ctx, tr, f, c.offset, c.count); n != c.want || err != nil {
					t.Errorf("Sendfile of %d from %d gave %d, %v", c.count, c.offset, n, err)
				}
			}
			tr.Close()
			server.untilCall(ctx, "lost")
			client.untilCall(ctx, "lost")
			want := bytes.Join([][]byte{big, data, []byte("after"), data[5:105], data[size-5:]}, nil)
			if !bytes.Equal(server.data, want) {
				t.Errorf("secure %v: %d bytes came of %d, or other ones", secure, len(server.data), len(want))
			}
			if pos := must(f.Seek(0, io.SeekCurrent)); pos != size {
				t.Errorf("the file's position is %d", pos)
			}
		}
	})
}

func TestSendfileOfAStream(t *testing.T) {
	data := pattern(1 << 20)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, data)
		handler := func(ctx context.Context, s *asyncio.Stream) error {
			if _, err := s.Sendfile(ctx, f, 0, -1); err != nil {
				return err
			}
			_, err := s.Write([]byte("end"))
			return err
		}
		for _, secure := range []bool{false, true} {
			var sopts []asyncio.ServerOption
			var copts []asyncio.ConnOption
			if secure {
				sopts = append(sopts, asyncio.WithTLS(serverTLS()))
				copts = append(copts, asyncio.WithTLS(clientTLS()))
			}
			srv := serve(t, ctx, handler, sopts...)
			s := dial(t, ctx, srv.Addr(), copts...)
			got, err := s.ReadAll(ctx)
			if err != nil || !bytes.Equal(got, append(data[:len(data):len(data)], "end"...)) {
				t.Errorf("secure %v: %d bytes came, %v", secure, len(got), err)
			}
			s.Close()
			shutdown(t, ctx, srv)
		}
	})
}

func TestWhatIsWrittenDuringSendfileIsNotLost(t *testing.T) {
	const size = 8 << 20
	data := pattern(size)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, data)
		server, client := pair(t, ctx)
		server.transport.PauseReading()
		sent := asyncio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
			return loopOf(ctx).Sendfile(ctx, client.transport, f, 0, -1)
		})
		turns(ctx, 10)
		client.transport.Write([]byte("meanwhile"))
		// Where files are copied, it may have to wait for room as the first does.
		another := asyncio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
			return loopOf(ctx).Sendfile(ctx, client.transport, f, 0, 1)
		})
		turns(ctx, 1)
		if sent.Done() {
			t.Error("the file went out though nobody reads")
		}
		client.transport.Close()
		server.transport.ResumeReading()
		n, err := sent.Await(ctx)
		_, _ = another.Await(ctx)
		server.untilCall(ctx, "lost")
		client.untilCall(ctx, "lost")
		if err == nil && n != size {
			t.Errorf("Sendfile gave %d", n)
		}
		if !bytes.Contains(server.data, []byte("meanwhile")) {
			t.Errorf("what was written meanwhile is lost; %d bytes came", len(server.data))
		}
	})
}

func TestSendfileThatIsCancelledGivesTheConnectionBack(t *testing.T) {
	data := pattern(8 << 20)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, data)
		server, client := pair(t, ctx)
		server.transport.PauseReading()
		sent := asyncio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
			return loopOf(ctx).Sendfile(ctx, client.transport, f, 0, -1)
		})
		turns(ctx, 10)
		sent.Cancel()
		n, err := sent.Await(ctx)
		if !asyncio.IsCancelled(err) || n >= int64(len(data)) {
			t.Errorf("Sendfile gave %d, %v", n, err)
		}
		client.transport.Write([]byte("after"))
		client.transport.Close()
		server.transport.ResumeReading()
		server.untilCall(ctx, "lost")
		if !bytes.HasSuffix(server.data, []byte("after")) || len(server.data) >= len(data) {
			t.Errorf("%d bytes came", len(server.data))
		}
		client.untilCall(ctx, "lost")
	})
}

func TestSendfileToAPeerThatResets(t *testing.T) {
	data := pattern(8 << 20)
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, data)
		server, client := pair(t, ctx)
		server.transport.PauseReading()
		sent := asyncio.CreateTask(ctx, func(ctx context.Context) (int64, error) {
			return loopOf(ctx).Sendfile(ctx, client.transport, f, 0, -1)
		})
		turns(ctx, 10)
		server.transport.Abort() // with data unread: a reset
		if _, err := sent.Await(ctx); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("Sendfile gave %v", err)
		}
		client.untilCall(ctx, "lost")
		server.untilCall(ctx, "lost")
	})
}

func TestSendfileRefusesWhatItCannotSend(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		l := loopOf(ctx)
		f := fileOf(t, []byte("hello"))
		server, client := pair(t, ctx)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		if n, err := l.Sendfile(ctx, client.transport, r, 0, -1); n != 0 || !errors.Is(err, os.ErrInvalid) {
			t.Errorf("a pipe gave %d, %v", n, err)
		}
		if n, err := l.Sendfile(ctx, client.transport, f, -1, -1); n != 0 || !errors.Is(err, os.ErrInvalid) {
			t.Errorf("a negative offset gave %d, %v", n, err)
		}
		f.Close()
		if n, err := l.Sendfile(ctx, client.transport, f, 0, -1); n != 0 || !errors.Is(err, os.ErrClosed) {
			t.Errorf("a closed file gave %d, %v", n, err)
		}
		client.transport.Close()
		if n, err := l.Sendfile(ctx, client.transport, f, 0, -1); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed transport gave %d, %v", n, err)
		}
		server.untilCall(ctx, "lost")
	})
}
