package asynchttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// clientStates are those of a stream whose response comes from the test: "only" ones
// are those that a client does not give up.
var clientStates = []string{
	"waiting", "request body", "after the header", "response body", "both bodies", "only after both", "only after the response",
}

// A resettingServer speaks to a client as an anyReset wants it.
type resettingServer struct {
	x       anyReset
	l       net.Listener
	here    chan struct{} // the stream is in its state
	got     chan struct{} // the client has what there is of the response
	settled chan struct{} // the client has seen all that followed the reset
	heard   chan struct{} // all that the client has said on that connection has been read
	over    sync.WaitGroup

	mu       sync.Mutex
	conns    []net.Conn
	reset    net.Conn // the connection with the reset
	attempts int
	resets   []string
	end      string // of that connection, by the client
}

func startResetting(x anyReset) (*resettingServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &resettingServer{x: x, l: l, here: make(chan struct{}), got: make(chan struct{}), settled: make(chan struct{}), heard: make(chan struct{})}
	s.over.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			s.over.Go(func() { s.serve(newFrames(c)) })
		}
	})
	return s, nil
}

// stop closes the server.
//
//asyncvet:ignore blocking its goroutines end with their connections
func (s *resettingServer) stop() {
	_ = s.l.Close()
	s.mu.Lock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.over.Wait()
}

func (s *resettingServer) serve(f *frames) {
	defer f.Conn.Close()
	if _, err := io.ReadFull(f.Conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = f.fr.WriteSettings()
	f.send()
	id, acted, followed := uint32(0), false, false
	follow := func() {
		followed = true
		f.after(id, s.x)
		_ = f.fr.WritePing(false, [8]byte{9})
		f.send()
	}
	act := func() {
		acted = true
		s.respond(f, id)
		if s.x.Peer {
			_ = f.fr.WriteRSTStream(id, s.x.Code)
			follow()
		}
	}
	settle, heard := sync.OnceFunc(func() { close(s.settled) }), sync.OnceFunc(func() { close(s.heard) })
	end := f.until(func(frame http2.Frame) bool {
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			again := frame.PseudoValue("path") == "/reset" && s.attempt() > 1
			if frame.PseudoValue("path") != "/reset" || again {
				f.headers(frame.StreamID, true, ":status=200", "x-again="+fmt.Sprint(again))
				f.send()
				return false
			}
			id = frame.StreamID
			s.mu.Lock()
			s.reset = f.Conn
			s.mu.Unlock()
			if frame.StreamEnded() {
				act()
			}
		case *http2.DataFrame:
			if frame.StreamID == id && !acted {
				act()
			}
		case *http2.RSTStreamFrame:
			if frame.StreamID == id {
				s.mu.Lock()
				s.resets = append(s.resets, frame.ErrCode.String())
				s.mu.Unlock()
				if !followed {
					follow()
				}
			}
		case *http2.PingFrame:
			switch {
			case frame.IsAck() && frame.Data[0] == 9:
				settle()
			case frame.IsAck() && frame.Data[0] == 8:
				heard()
			case !frame.IsAck():
				_ = f.fr.WritePing(true, frame.Data)
				f.send()
			}
		}
		return false
	})
	if id != 0 {
		s.mu.Lock()
		s.end = end
		s.mu.Unlock()
		settle()
		heard()
	}
}

func (s *resettingServer) attempt() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	return s.attempts
}

// respond brings the stream into its state.
func (s *resettingServer) respond(f *frames, id uint32) {
	switch s.x.State {
	case "after the header", "both bodies":
		f.headers(id, false, ":status=200")
	case "response body":
		f.headers(id, false, ":status=200")
		_ = f.fr.WriteData(id, false, make([]byte, 1000))
	case "only after both", "only after the response":
		f.headers(id, true, ":status=200")
	}
	f.send()
	close(s.here)
	if s.x.Peer && s.x.State != "waiting" && s.x.State != "request body" {
		select {
		case <-s.got:
		case <-time.After(5 * time.Second):
		}
	}
}

// listen asks for an answer on the connection with the reset: once it is there, or the
// connection has ended, the channel is closed.
func (s *resettingServer) listen() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = http2.NewFramer(s.reset, nil).WritePing(false, [8]byte{8}) // one that has gone is noticed by who reads
	return s.heard
}

// resetOnClient does an exchange with a client and says what came of it. wait waits
// for a channel.
func resetOnClient(ctx context.Context, c *http.Client, x anyReset, wait func(chan struct{})) (out resetOutcome) {
	s, err := startResetting(x)
	if err != nil {
		return resetOutcome{End: err.Error()}
	}
	url := "http://" + s.l.Addr().String()
	if _, err := get(ctx, c, url+"/warm"); err != nil {
		return resetOutcome{End: "at first: " + err.Error()}
	}
	mine, cancel := context.WithCancel(ctx)
	defer cancel()
	sending, stopSending := context.WithCancel(ctx)
	defer stopSending()
	stopped := make(chan struct{})
	go func() { // net/http waits for a Read of the body, whatever has become of the request
		<-s.settled
		stopSending()
		close(stopped)
	}()
	gaveUp := make(chan struct{})
	if !x.Peer && (x.State == "waiting" || x.State == "request body") {
		go func() { // from outside of the loop, as others would
			<-s.here
			cancel()
			stopSending()
			close(gaveUp)
		}()
	} else {
		close(gaveUp)
	}
	method, body := "GET", io.Reader(nil)
	if x.State == "request body" || x.State == "both bodies" || x.State == "only after the response" {
		method, body = "POST", &upload{sending, 20_000}
	}
	req, err := http.NewRequestWithContext(mine, method, url+"/reset", body)
	if err != nil {
		return resetOutcome{End: err.Error()}
	}
	resp, err := c.Do(req)
	if err != nil {
		out.Saw = "failed: " + resetKind(err)
	} else {
		out.Saw = fmt.Sprint(resp.StatusCode, resp.Header["X-Again"])
		finish := strings.HasPrefix(x.State, "only")
		if x.Peer && !finish {
			close(s.got)
		}
		if x.Peer {
			n, err := io.Copy(io.Discard, resp.Body)
			out.Saw += fmt.Sprintf(", %d bytes and %s", n, resetKind(err))
		}
		if finish {
			close(s.got)
		}
		if !x.Peer {
			stopSending()
		}
		_ = resp.Body.Close()
	}
	wait(stopped)
	cancel()
	wait(gaveUp)
	if _, err := get(ctx, c, url+"/warm"); err != nil {
		out.End = "at last: " + err.Error()
	}
	wait(s.listen())
	s.mu.Lock()
	if out.Resets = slices.Compact(slices.Clone(s.resets)); x.State == "only after the response" {
		out.Resets = nil // whether the client resets what it sends before the server does
	}
	switch {
	case out.End != "":
	case len(s.conns) == 1:
		out.End = "goes on"
	case strings.HasPrefix(s.end, "GOAWAY"):
		out.End = s.end
	default:
		out.End = "another"
	}
	s.mu.Unlock()
	s.stop()
	return out
}

// The differences of the client, and why.
func knownClientResets() []*knownReset {
	return []*knownReset{
		{why: "a response that ends after the server has reset the stream is no response; net/http may still reset what it sends itself",
			here: func(x anyReset, theirs *resetOutcome) {
				if x.Peer && x.sends("trailers", "end") {
					theirs.Resets = without(theirs.Resets, http2.ErrCodeNo)
				}
			}},
		{why: "DATA on a stream that the server has ended or reset is answered by STREAM_CLOSED (RFC 9113, 5.1); net/http passes over it",
			here: func(x anyReset, theirs *resetOutcome) {
				if x.Peer && x.State != "only after the response" && x.sends("data", "end") {
					theirs.Resets = slices.Compact(append(slices.Clone(theirs.Resets), http2.ErrCodeStreamClosed.String()))
				}
			}},
		{why: "a stream that the server has reset for PROTOCOL_ERROR fails, as with any other code; net/http sends the request again",
			here: func(x anyReset, theirs *resetOutcome) {
				if x.Peer && x.Code == http2.ErrCodeProtocol && strings.HasPrefix(theirs.Saw, "200 [true]") {
					theirs.Saw = "failed: PROTOCOL_ERROR"
				}
			}},
		{why: "a reset ends a stream and not its connection (RFC 9113, 5.4.2); net/http takes another one after PROTOCOL_ERROR, for HEADERS that follow, and now and then under load",
			here: func(_ anyReset, theirs *resetOutcome) {
				if theirs.End == "another" {
					theirs.End = "goes on"
				}
			}},
	}
}

func TestAnyResetIsToAClientWhatItIsToNetHTTPs(t *testing.T) {
	log.SetOutput(io.Discard) // net/http's client says there what it makes of such frames
	defer log.SetOutput(os.Stderr)
	known := knownClientResets()
	run(t, func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		_, err = asyncio.ToThread(ctx, func(job context.Context) (struct{}, error) {
			rapid.Check(t, func(rt *rapid.T) {
				x := genReset(rt, clientStates, "only")
				tr := &http.Transport{Protocols: plainOnly}
				theirs := resetOnClient(context.Background(), &http.Client{Transport: tr}, x, func(c chan struct{}) { <-c })
				tr.CloseIdleConnections()
				ours, err := asyncio.RunCoroutineThreadsafe(job, loop, func(ctx context.Context) (resetOutcome, error) {
					tr := &asynchttp.Transport{Protocols: plainOnly}
					defer tr.Close()
					var errs []error
					out := resetOnClient(ctx, &http.Client{Transport: tr}, x, func(c chan struct{}) {
						_, err := asyncio.ToThread(ctx, func(context.Context) (struct{}, error) { <-c; return struct{}{}, nil })
						errs = append(errs, err)
					})
					return out, errors.Join(errs...)
				})
				if err != nil {
					rt.Fatal(err)
				}
				compareResets(rt, known, x, theirs, ours)
			})
			return struct{}{}, nil
		})
		return err
	})
	logKnown(t, known)
}
