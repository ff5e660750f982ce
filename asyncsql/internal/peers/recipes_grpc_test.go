//go:build unix

package peers

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/asyncio-go/asyncio"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// numbers is a service of two methods: Double answers with twice what it was sent, which a
// task on a loop finds out, and Hang when its caller has gone.
func numbers(l *asyncio.Loop) *grpc.ServiceDesc {
	method := func(name string, answer func(ctx context.Context, n int64) (int64, error)) grpc.MethodDesc {
		return grpc.MethodDesc{
			MethodName: name,
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				var in wrapperspb.Int64Value
				if err := decode(&in); err != nil {
					return nil, err
				}
				n, err := answer(ctx, in.Value)
				return wrapperspb.Int64(n), err
			},
		}
	}
	return &grpc.ServiceDesc{
		ServiceName: "numbers",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			method("Double", func(ctx context.Context, n int64) (int64, error) {
				return asyncio.RunCoroutineThreadsafe(ctx, l, func(ctx context.Context) (int64, error) {
					return 2 * n, asyncio.Sleep(ctx, 0)
				})
			}),
			method("Hang", func(ctx context.Context, n int64) (int64, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			}),
		},
	}
}

// The server's handlers are on goroutines of grpc, and have a loop do the work.
func TestGRPCInThreads(t *testing.T) {
	serving := make(chan *asyncio.Loop)
	stop := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- asyncio.Run(context.WithoutCancel(t.Context()), func(ctx context.Context) error {
			l := asyncio.CurrentTask(ctx).Loop()
			serving <- l
			_, err := asyncio.WrapChan(l, stop).Await(ctx)
			if err == asyncio.ErrChannelClosed {
				err = nil
			}
			return err
		})
	}()
	s := grpc.NewServer()
	s.RegisterService(numbers(<-serving), nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	conn, err := grpc.NewClient(ln.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	invoke := func(ctx context.Context, method string, n int64) (int64, error) {
		var out wrapperspb.Int64Value
		err := conn.Invoke(ctx, "/numbers/"+method, wrapperspb.Int64(n), &out)
		return out.Value, err
	}
	recipe(t, func(ctx context.Context, i int) error {
		got, err := invoke(ctx, "Double", int64(i))
		if err == nil && got != int64(2*i) {
			err = fmt.Errorf("twice %d is %d", i, got)
		}
		return err
	}, func(ctx context.Context) error {
		_, err := invoke(ctx, "Hang", 1)
		if c := status.Code(err); c == codes.DeadlineExceeded || c == codes.Canceled {
			err = context.DeadlineExceeded // in grpc's words; it may be faster than the wait's own
		}
		return err
	})
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	s.GracefulStop() // returns when the calls that were cut off have ended, too
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
