package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/asyncio-go/asyncio"
)

// crypto/tls begins a connection with records of little more than a kilobyte.
func TestSmallRecordsOfOneWriteAreOneSystemCall(t *testing.T) {
	onFaultyDrivers(t, func(t *testing.T, ctx context.Context, d *faultyDriver) {
		here, there := ends(t, ctx, []asyncio.ServerOption{asyncio.WithTLS(serverTLS())}, []asyncio.ConnOption{asyncio.WithTLS(clientTLS())})
		long := bytes.Repeat([]byte("0123456789"), 1000)
		lines := slices.Repeat([][]byte{[]byte("a short one\n")}, 100)
		for name, write := range map[string]func() (int, error){
			"Write":        func() (int, error) { return here.Write(long) },
			"WriteContext": func() (int, error) { return here.WriteContext(ctx, long) },
			"WriteLines":   func() (int, error) { return here.WriteLines(lines...) },
		} {
			want := long
			if name == "WriteLines" {
				want = bytes.Join(lines, nil)
			}
			d.writes = 0
			if n, err := write(); n != len(want) || err != nil {
				t.Fatalf("%s returned %d, %v", name, n, err)
			}
			if d.writes != 1 {
				t.Errorf("%s of %d bytes made %d system calls", name, len(want), d.writes)
			}
			got := make([]byte, len(want))
			if _, err := io.ReadFull(there, got); !bytes.Equal(got, want) || err != nil {
				t.Fatalf("%s: other bytes have come, %v", name, err)
			}
		}
		here.Abort()
		there.Abort()
	})
}

func TestSmallRecordsOfATransportsWriteAreOneSystemCall(t *testing.T) {
	onFaultyDrivers(t, func(t *testing.T, ctx context.Context, d *faultyDriver) {
		server, client := securePair(t, ctx)
		long := bytes.Repeat([]byte("0123456789"), 1000)
		d.writes = 0
		client.transport.Write(long)
		client.transport.WriteLines(long[:10], nil, long[10:])
		if d.writes != 2 {
			t.Errorf("two writes made %d system calls", d.writes)
		}
		server.untilData(ctx, 2*len(long))
		if !bytes.Equal([]byte(server.data), append(long, long...)) {
			t.Error("other bytes have come")
		}
		client.transport.Close()
		server.untilCall(ctx, "lost")
		client.untilCall(ctx, "lost")
	})
}

func TestAWriteWhoseRecordsCannotBeWrittenIsAnError(t *testing.T) {
	onFaultyDrivers(t, func(t *testing.T, ctx context.Context, d *faultyDriver) {
		here, there := ends(t, ctx, []asyncio.ServerOption{asyncio.WithTLS(serverTLS())}, []asyncio.ConnOption{asyncio.WithTLS(clientTLS())})
		d.refused = "Write"
		if _, err := here.Write(make([]byte, 10_000)); !errors.Is(err, errFault) {
			t.Errorf("Write returned %v", err)
		}
		if _, err := here.Write([]byte("x")); !errors.Is(err, errFault) {
			t.Errorf("the next Write returned %v", err)
		}
		d.refused = ""
		here.Close()
		if _, err := here.Write([]byte("x")); !errors.Is(err, errFault) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after Close returned %v", err)
		}
		there.Abort()
	})
}
