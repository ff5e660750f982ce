package blocking

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"

	"checked/wrap"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

func inATask(ctx context.Context) {
	asyncio.Go(ctx, func(ctx context.Context) error {
		time.Sleep(time.Second) // want `time.Sleep blocks the loop; use asyncio.Sleep \(blocking\)`
		return nil
	})
}

func inTheMainTask() error {
	time.Sleep(time.Second) // the loop does not run yet
	return asyncio.Run(context.Background(), func(ctx context.Context) error {
		<-time.After(time.Second) // want `a receive from time.After\(time.Second\) blocks the loop`
		return nil
	})
}

func inAFunctionThatWaits(ctx context.Context, db *sql.DB) error {
	if err := asyncio.Sleep(ctx, time.Second); err != nil {
		return err
	}
	time.Sleep(time.Second)                                  // want `time.Sleep blocks`
	if _, err := db.ExecContext(ctx, "VACUUM"); err != nil { // want `sql.DB.ExecContext blocks the loop; use asyncio.ToThread`
		return err
	}
	return nil
}

func variety(ctx context.Context, wg *sync.WaitGroup, pool *asyncio.ThreadPoolExecutor) error {
	net.Dial("tcp", "localhost:80")                              // want `net.Dial blocks the loop; use asyncio.OpenConnection`
	net.LookupHost("localhost")                                  // want `net.LookupHost blocks .*Getaddrinfo`
	http.Get("http://localhost/")                                // want `http.Get blocks .* asynchttp.Transport`
	http.DefaultClient.Do(nil)                                   // want `http.Client.Do blocks`
	exec.Command("true").Run()                                   // want `exec.Cmd.Run blocks .*CreateSubprocessExec`
	wg.Wait()                                                    // want `sync.WaitGroup.Wait blocks .* asyncio.Group`
	pool.Shutdown(ctx)                                           // want `ThreadPoolExecutor.Shutdown blocks .*WrapFuture`
	<-ctx.Done()                                                 // want `a receive from ctx.Done\(\) blocks`
	bufio.NewReader(os.Stdin).ReadString('\n')                   // want `bufio.Reader.ReadString blocks .*ConnectReadPipe`
	asyncio.Run(ctx, func(context.Context) error { return nil }) // want `asyncio.Run fails on a loop's goroutine`
	return asyncio.Sleep(ctx, 0)
}

// The functions between are named.

func load() { parse() }

func parse() { wrap.LongNap() }

func throughOthers(ctx context.Context) error {
	load() // want `blocking.load → blocking.parse → wrap.LongNap → wrap.Nap → time.Sleep blocks`
	return asyncio.Sleep(ctx, 0)
}

func throughALiteral(ctx context.Context) error {
	nap := func() { time.Sleep(1) } // want `time.Sleep blocks`
	nap()
	return wrap.Twice(ctx, func() error {
		time.Sleep(1) // want `time.Sleep blocks`
		return asyncio.Sleep(ctx, 0)
	})
}

func throughWrappers(ctx context.Context, loop *asyncio.Loop) {
	wrap.Spawn(ctx, func(context.Context) error {
		time.Sleep(1) // want `time.Sleep blocks`
		return nil
	})
	wrap.Later(loop, func() {
		time.Sleep(1) // want `time.Sleep blocks`
	})
	wrap.Background(func() { time.Sleep(1) })
	wrap.Offload(ctx, func() error { time.Sleep(1); return nil })
}

type store interface {
	load(ctx context.Context) error
}

type disk struct{}

func (disk) load(context.Context) error { time.Sleep(1); return nil }

func throughAnInterfaceOfThisPackage(ctx context.Context, s store) error {
	if err := asyncio.Sleep(ctx, 0); err != nil {
		return err
	}
	return s.load(ctx) // want `blocking.store.load → disk.load → time.Sleep blocks`
}

// A place is for both worlds: one of its implementations is for a loop, the other for
// goroutines.
type place interface {
	pause(ctx context.Context) error
}

type loopPlace struct{}

func (loopPlace) pause(ctx context.Context) error { return asyncio.Sleep(ctx, 1) }

type goroutines struct{}

func (goroutines) pause(context.Context) error { time.Sleep(1); return nil }

func inBothWorlds(ctx context.Context, p place) error {
	if err := asyncio.Sleep(ctx, 0); err != nil {
		return err
	}
	return p.pause(ctx)
}

// Handlers are the loop's where they reach its server.

func handlers(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", onLoop)
	mux.Handle("/logged", logged(http.HandlerFunc(alsoOnLoop)))
	go http.ListenAndServe(":0", http.HandlerFunc(offLoop))
	return wrap.Serve(ctx, mux)
}

func logged(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(1) // want `time.Sleep blocks`
		h.ServeHTTP(w, r)
	})
}

func onLoop(w http.ResponseWriter, r *http.Request) {
	time.Sleep(1) // want `time.Sleep blocks`
}

func alsoOnLoop(w http.ResponseWriter, r *http.Request) {
	time.Sleep(1) // want `time.Sleep blocks`
}

func offLoop(w http.ResponseWriter, r *http.Request) { time.Sleep(1) }

type page struct{}

func (page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(1) // want `time.Sleep blocks`
}

func served(ctx context.Context) error {
	return (&asynchttp.Server{Handler: page{}}).Serve(ctx, "tcp", ":0")
}

type echo struct{ asyncio.BaseProtocol }

func (*echo) DataReceived([]byte) {
	time.Sleep(1) // want `time.Sleep blocks`
}

// Other people's readers over a stream wait, and do not block.

func overAStream(ctx context.Context, s *asyncio.Stream) error {
	r := bufio.NewReader(s)
	line, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	time.Sleep(1) // want `time.Sleep blocks`
	fmt.Fprintln(s, line)
	_, err = io.Copy(s, r)
	return err
}

func handshake(s *asyncio.Stream) {
	time.Sleep(1) // want `time.Sleep blocks`
	fmt.Fprintf(s, "hello")
}

func client(ctx context.Context) error {
	own := &http.Client{Transport: new(asynchttp.Transport)}
	if _, err := own.Get("http://localhost/"); err != nil {
		return err
	}
	plain := &http.Client{Timeout: time.Second}
	_, err := plain.Get("http://localhost/") // want `http.Client.Get blocks`
	return err
}

// Where it is right.

func elsewhere(ctx context.Context) error {
	_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
		time.Sleep(time.Second)
		load()
		return 0, nil
	})
	go func() { time.Sleep(time.Second) }()
	time.AfterFunc(1, func() { time.Sleep(1) })
	var wg sync.WaitGroup
	wg.Go(func() { time.Sleep(1) })
	return err
}

var resize = asyncio.RegisterWorker("resize", func(context.Context, int) (int, error) {
	time.Sleep(1) // in a process of its own
	return 0, nil
})

func noLoop(ctx context.Context) { time.Sleep(time.Second) }

func bothWorlds(ctx context.Context, d time.Duration) error {
	err := asyncio.Sleep(ctx, d)
	if errors.Is(err, asyncio.ErrNoRunningLoop) {
		time.Sleep(d)
		return nil
	}
	return err
}

func callsBothWorlds(ctx context.Context) error {
	if err := wrap.Anywhere(ctx, 1); err != nil {
		return err
	}
	return asyncio.Sleep(ctx, 0)
}

func handsTheErrorOn(ctx context.Context) error {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return fmt.Errorf("no loop: %w", err)
	}
	loop.CallSoon(func() {})
	time.Sleep(1) // want `time.Sleep blocks`
	return asyncio.Sleep(ctx, 0)
}

func channelsAreAnotherRule(ctx context.Context, c chan int) error {
	<-c
	return asyncio.Sleep(ctx, 0)
}

func filesAreAnotherRule(ctx context.Context) error {
	os.ReadFile("x")
	return asyncio.Sleep(ctx, 0)
}
