package h2

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/asyncio-go/asyncio"
)

// after lets time go by in two steps, and checks that lines come at the end of it
// and not before.
func (r *rig) after(d time.Duration, lines ...string) {
	r.Helper()
	r.pass(d - time.Millisecond)
	r.wants()
	r.pass(time.Millisecond)
	r.wants(lines...)
}

const tooSlow = "GOAWAY %d ENHANCE_YOUR_CALM the header takes too long"

func TestAClientHasSoMuchTimeForItsHeaders(t *testing.T) {
	for _, limit := range []time.Duration{0, 3 * time.Second} {
		real := limit
		if limit == 0 {
			real = defaultHeaderTime
		}
		srv := &Server{ReadHeaderTimeout: limit}
		onServerBefore(t, srv, func(r *rig) { // for its first frames
			r.take()
			r.after(real, strings.Replace(tooSlow, "%d", "0", 1))
		})
		onServer(t, srv, func(r *rig) { // for a block
			r.pass(time.Hour) // it may be silent for long
			_ = r.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block(requestOf("GET", nil)...), EndStream: true})
			r.send()
			r.pass(real - 2*time.Millisecond)
			_ = r.fr.WriteContinuation(1, false, nil) // which takes no more time
			r.send()
			r.after(2*time.Millisecond, strings.Replace(tooSlow, "%d", "1", 1))
		})
		onServer(t, srv, func(r *rig) { // a block that has come is in time
			r.post(1)
			r.send()
			r.pass(time.Hour)
			r.wants()
		})
	}
}

func TestAConnectionWithoutARequestIsIdleForSoLong(t *testing.T) {
	const bye = "GOAWAY 2147483647 NO_ERROR\nPING 0000000000000001"
	onServer(t, &Server{IdleTimeout: time.Minute}, func(r *rig) {
		r.after(time.Minute, strings.Split(bye, "\n")...)
	})
	onServer(t, &Server{IdleTimeout: time.Minute}, func(r *rig) {
		r.pass(59 * time.Second)
		r.post(1)
		r.send()
		r.pass(time.Hour) // it is not idle while there is a request
		r.wants()
		_ = r.fr.WriteData(1, true, nil)
		r.send()
		r.wants("HEADERS 1 end :status=200 content-length=0 date=now")
		r.after(time.Minute, strings.Split(bye, "\n")...)
	})
	onServer(t, &Server{}, func(r *rig) {
		r.pass(100 * time.Hour)
		r.wants()
	})
}

// RFC 9113, 6.8: what was sent before the client knows is still served.
func TestAShutdownHasTwoSteps(t *testing.T) {
	ping := [8]byte{7: 1}
	for _, answered := range []bool{true, false} {
		onServer(t, &Server{}, func(r *rig) {
			r.post(1)
			r.send()
			r.server.Shutdown()
			r.server.Shutdown() // a second time does nothing
			r.wants("GOAWAY 2147483647 NO_ERROR", "PING 0000000000000001")
			r.post(3)
			r.send()
			if answered {
				_ = r.fr.WritePing(true, [8]byte{1})
				r.send()
				r.wants() // it is another's answer
				_ = r.fr.WritePing(true, ping)
				_ = r.fr.WritePing(true, ping)
				r.send()
				r.wants("GOAWAY 3 NO_ERROR")
			} else {
				r.after(defaultShutdownPing, "GOAWAY 3 NO_ERROR")
			}
			r.pass(time.Hour)
			r.get(5) // too late
			_ = r.fr.WriteData(1, true, []byte("one"))
			r.send()
			r.wants("HEADERS 1 end :status=200 content-length=0 date=now")
			if r.w.ended {
				t.Error("it has ended before the last request")
			}
			_ = r.fr.WriteData(3, true, []byte("two"))
			r.send()
			r.wants("HEADERS 3 end :status=200 content-length=0 date=now")
			if !r.w.ended || !errors.Is(r.server.Err(), errLeft) {
				t.Errorf("it has not ended: %v", r.server.Err())
			}
			r.server.Shutdown()
			r.wants()
		})
	}
}

func TestAHandlersCloseShutsTheConnectionDown(t *testing.T) {
	onServer(t, &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
	})}, func(r *rig) {
		r.get(1)
		r.send()
		r.wants("GOAWAY 2147483647 NO_ERROR", "PING 0000000000000001", "HEADERS 1 end :status=200 content-length=0 date=now")
	})
}

func TestLimitsOfTimeOfARequest(t *testing.T) {
	srv := &Server{ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute}
	onServer(t, srv, func(r *rig) {
		r.post(1)
		_ = r.fr.WriteData(1, false, []byte("x"))
		r.send()
		r.after(time.Minute, "HEADERS 1 end :status=200 content-length=0 date=now")
		r.after(linger, "RST_STREAM 1 NO_ERROR")
		r.saw(`POST / host=x url=/ map[] len=-1 body="x" error=` + os.ErrDeadlineExceeded.Error())
	})
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = asyncio.Sleep(r.Context(), time.Hour)
	})
	onServer(t, srv, func(r *rig) {
		r.get(1)
		r.send()
		r.after(2*time.Minute, "RST_STREAM 1 INTERNAL_ERROR")
		if r.server.Err() != nil {
			t.Error("the connection has ended:", r.server.Err())
		}
	})
	onServer(t, srv, func(r *rig) { // neither is left of a request that is over
		r.get(1)
		r.send()
		_ = r.fr.WriteRSTStream(1, http2.ErrCodeCancel)
		r.send()
		r.pass(time.Hour)
		r.wants()
	})
}

func TestDeadlinesOfAHandlerMayBeMovedAndTakenBack(t *testing.T) {
	var seen []error
	srv := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		for _, x := range []struct{ first, then time.Time }{
			{time.Now().Add(time.Hour), time.Now().Add(-time.Hour)},
			{time.Now().Add(-time.Hour), time.Time{}},
		} {
			seen = append(seen, rc.SetReadDeadline(x.first), rc.SetReadDeadline(x.then))
		}
		_, err := io.ReadAll(r.Body)
		seen = append(seen, err, rc.SetWriteDeadline(time.Now().Add(time.Hour)), rc.SetWriteDeadline(time.Time{}))
		seen = append(seen, asyncio.Sleep(r.Context(), 2*time.Hour), rc.SetWriteDeadline(time.Now().Add(-time.Second)))
		_, err = io.WriteString(w, "x")
		seen = append(seen, err)
	})}
	onServer(t, srv, func(r *rig) {
		r.post(1)
		r.send()
		r.pass(3 * time.Hour)
		r.wants("RST_STREAM 1 INTERNAL_ERROR")
		late := os.ErrDeadlineExceeded
		for i, want := range []error{nil, nil, nil, nil, late, nil, nil, nil, nil, late} {
			if i >= len(seen) || !errors.Is(seen[i], want) {
				t.Fatalf("step %d: %v", i, seen)
			}
		}
	})
}

// A peer that is silent is asked; whatever it says shows that it is there.
func TestASilentPeerIsAskedWhetherItIsThere(t *testing.T) {
	for _, within := range []time.Duration{0, 2 * time.Second} {
		real := within
		if within == 0 {
			real = defaultPingTimeout
		}
		onServer(t, &Server{PingInterval: time.Minute, PingTimeout: within}, func(r *rig) {
			r.after(time.Minute, "PING 0000000000000001")
			r.pass(real - time.Millisecond)
			_ = r.fr.WriteGoAway(0, http2.ErrCodeNo, nil)
			r.send()
			r.after(time.Minute, "PING 0000000000000002")
			r.pass(real - time.Millisecond)
			if r.w.aborted {
				t.Error("given up too early")
			}
			r.pass(time.Millisecond)
			if !r.w.aborted || r.server.Err() != ErrPingTimeout {
				t.Errorf("not given up: %v", r.server.Err())
			}
		})
	}
	onClient(t, &Client{PingInterval: time.Minute, PingTimeout: time.Second}, func(r *rig) {
		r.after(time.Minute, "PING 0000000000000001")
		r.pass(time.Second)
		if !r.w.aborted || r.client.Err() != ErrPingTimeout {
			t.Errorf("not given up: %v", r.client.Err())
		}
	})
	onServer(t, &Server{}, func(r *rig) {
		r.pass(100 * time.Hour)
		r.wants()
	})
}

// What the socket does not get rid of clogs: nothing more is given to it, and a
// peer that takes nothing at all for a minute is given up.
func TestAPeerThatTakesNothingIsGivenUp(t *testing.T) {
	onServer(t, &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})}, func(r *rig) {
		r.w.unsent = 1000
		r.get(1)
		r.send()
		r.wants("HEADERS 1 end :status=200 content-length=0 date=now")
		r.get(3)
		r.send()
		r.wants()
		r.pass(stallTime - time.Millisecond)
		r.w.unsent = 999 // slowly, but it does
		r.pass(stallTime)
		r.w.unsent = 998
		r.pass(time.Millisecond)
		if r.w.aborted {
			t.Fatal("given up, though it took something")
		}
		r.pass(stallTime)
		if !r.w.aborted || r.server.Err() != ErrStalled {
			t.Errorf("not given up: %v", r.server.Err())
		}
	})
	onServer(t, &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})}, func(r *rig) {
		r.w.unsent = 1000
		r.get(1)
		r.send()
		r.get(3)
		r.send()
		r.take()
		r.w.unsent = 0
		r.w.drained.Set()
		r.wants("HEADERS 3 end :status=200 content-length=0 date=now")
		r.pass(2 * stallTime)
		if r.w.aborted {
			t.Error("given up, though it took all")
		}
	})
}

// What answers cost is bounded too: where too much is unsent, nothing is read.
func TestNothingMoreIsReadWhileTooMuchIsUnsent(t *testing.T) {
	onServer(t, &Server{}, func(r *rig) {
		r.w.unsent = unreadLimit
		_ = r.fr.WritePing(false, [8]byte{1})
		r.send() // and its answer is what clogs
		r.wants("PING 0100000000000000 ack")
		_ = r.fr.WritePing(false, [8]byte{2})
		r.send() // the read was under way
		_ = r.fr.WritePing(false, [8]byte{3})
		r.send()
		if len(r.w.in) == 0 {
			t.Error("it reads on")
		}
		r.w.unsent = 0
		r.w.drained.Set()
		r.wants("PING 0200000000000000 ack", "PING 0300000000000000 ack")
	})
	for name, end := range map[string]func(r *rig){
		"closed":  func(r *rig) { r.server.Close() },
		"stalled": func(r *rig) { r.pass(stallTime) },
	} {
		onServer(t, &Server{}, func(r *rig) {
			r.w.unsent = unreadLimit
			_ = r.fr.WritePing(false, [8]byte{1})
			r.send()
			end(r)
			if !r.w.aborted {
				t.Errorf("%s while nothing is read: it goes on", name)
			}
		})
	}
}

// The end of a connection takes a bounded time, whatever the peer does.
func TestAFarewellTakesSoLongAtMost(t *testing.T) {
	wrong := func(r *rig) {
		_ = r.fr.WriteContinuation(1, true, nil)
		r.send()
	}
	onServer(t, &Server{}, func(r *rig) { // who takes what is sent, and closes
		wrong(r)
		r.w.in, r.w.eof = append(r.w.in, "rubbish"...), true
		r.w.news.Set()
		r.turns()
		if !r.w.closed || r.w.aborted {
			t.Errorf("closed: %v, aborted: %v", r.w.closed, r.w.aborted)
		}
	})
	onServer(t, &Server{}, func(r *rig) { // who does not close
		wrong(r)
		if !r.w.ended || r.w.closed {
			t.Errorf("ended: %v, closed: %v", r.w.ended, r.w.closed)
		}
		r.pass(2 * lingerTime)
		if !r.w.closed || r.w.aborted {
			t.Errorf("closed: %v, aborted: %v", r.w.closed, r.w.aborted)
		}
	})
	onServer(t, &Server{}, func(r *rig) { // who takes nothing
		r.w.unsent = 1
		wrong(r)
		r.pass(farewellTime - time.Millisecond)
		if r.w.aborted {
			t.Error("aborted too early")
		}
		r.pass(time.Millisecond)
		if !r.w.aborted || r.w.ended {
			t.Errorf("aborted: %v; its half was ended: %v", r.w.aborted, r.w.ended)
		}
	})
	onServer(t, &Server{}, func(r *rig) { // to whom nothing can be sent
		r.w.failing = os.ErrInvalid
		_ = r.fr.WritePing(false, [8]byte{})
		r.send()
		if !r.w.aborted || !errors.Is(r.server.Err(), os.ErrInvalid) {
			t.Errorf("aborted: %v, %v", r.w.aborted, r.server.Err())
		}
	})
	onServer(t, &Server{}, func(r *rig) { // who has gone
		r.w.eof = true
		r.w.news.Set()
		r.turns()
		if !r.w.aborted || !errors.Is(r.server.Err(), io.ErrUnexpectedEOF) {
			t.Errorf("aborted: %v, %v", r.w.aborted, r.server.Err())
		}
	})
}
