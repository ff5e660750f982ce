package asynchttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A counted body knows how often it was closed.
type closes struct {
	io.Reader
	n   int
	err error
}

func (c *closes) Close() error { c.n++; return c.err }

// An outcome is how a request has ended.
type outcome struct {
	resp *http.Response
	err  error
}

// ask sends a request over s, in a task of its own, as the first of its connection.
func (p *pooled) ask(s *scripted, req *http.Request) (*conn, *asyncio.Task[outcome]) {
	c := p.connect("a:80", s)
	task := asyncio.CreateTask(p.ctx, func(ctx context.Context) (outcome, error) {
		x := &exchange{c: c}
		x.out = p.outgoing(req, httptrace.ContextClientTrace(req.Context()))
		resp, err := x.roundTrip(ctx)
		return outcome{resp, err}, nil
	})
	p.turns()
	return c, task
}

func (p *pooled) outcome(t *testing.T, task *asyncio.Task[outcome]) outcome {
	t.Helper()
	if !task.Done() {
		t.Fatal("the request has not ended")
	}
	o, err := task.Await(p.ctx)
	if err != nil {
		return outcome{nil, err}
	}
	return o
}

func (p *pooled) request(method string, body io.Reader) *http.Request {
	req, err := http.NewRequestWithContext(p.ctx, method, "http://a/", body)
	if err != nil {
		panic(err)
	}
	return req
}

const okX = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"

// Whatever becomes of a request, its body is closed once.
func TestTheBodyOfARequestIsClosedOnce(t *testing.T) {
	inMemory := func(s string) func() (io.Reader, int64, bool) {
		return func() (io.Reader, int64, bool) { return strings.NewReader(s), int64(len(s)), true }
	}
	stream := func(s string, n int64) func() (io.Reader, int64, bool) {
		return func() (io.Reader, int64, bool) { return strings.NewReader(s), n, false }
	}
	for name, x := range map[string]struct {
		body   func() (r io.Reader, length int64, again bool)
		expect bool
		s      scripted
		close  error
		sent   string // after the header
		err    string
	}{
		"a byte in memory":        {inMemory("b"), false, scripted{says: []string{okX}}, nil, "b", ""},
		"bytes in memory":         {inMemory("body"), false, scripted{says: []string{okX}}, nil, "body", ""},
		"a byte":                  {stream("b", 1), false, scripted{says: []string{okX}}, nil, "b", ""},
		"of unknown length":       {stream("body", -1), false, scripted{says: []string{okX}}, nil, "4\r\nbody\r\n0\r\n\r\n", ""},
		"it waits for a word":     {inMemory("body"), true, scripted{says: []string{"HTTP/1.1 100 Continue\r\n\r\n", okX}}, nil, "body", ""},
		"it gets it twice":        {inMemory("body"), true, scripted{says: []string{"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", okX}}, nil, "body", ""},
		"it is not wanted":        {inMemory("body"), true, scripted{says: []string{okX}}, nil, "", ""},
		"nothing is taken":        {inMemory("body"), false, scripted{says: []string{okX}, refuses: errBroken}, nil, "", "it is broken"},
		"nothing of a stream":     {stream("body", 4), false, scripted{says: []string{okX}, refuses: errBroken}, nil, "", "it is broken"},
		"no answer":               {inMemory("body"), false, scripted{end: io.EOF}, nil, "body", "without a response"},
		"no answer to a stream":   {stream("body", 4), false, scripted{end: io.EOF}, nil, "body", "without a response"},
		"no word":                 {inMemory("body"), true, scripted{end: io.EOF}, nil, "", "without a response"},
		"it does not close":       {inMemory("body"), false, scripted{says: []string{okX}}, errBroken, "", "it is broken"},
		"a stream that does not":  {stream("body", 4), false, scripted{end: io.EOF}, errBroken, "body", "request body: it is broken"},
		"more than was announced": {stream("body", 3), false, scripted{end: io.EOF}, nil, "bod", "it has more than the 3 bytes of its ContentLength"},
		"less, in memory":         {func() (io.Reader, int64, bool) { return strings.NewReader("bo"), 3, true }, false, scripted{end: io.EOF}, nil, "", "it ended after 2 of the 3 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			onPool(t, &Transport{}, func(p *pooled) {
				r, length, again := x.body()
				b := &closes{Reader: r, err: x.close}
				req := p.request("PUT", b)
				req.ContentLength = length
				if again {
					req.GetBody = func() (io.ReadCloser, error) { return b, nil }
				}
				if x.expect {
					req.Header.Set("Expect", "100-continue")
				}
				s := &scripted{says: x.s.says, end: x.s.end, refuses: x.s.refuses}
				c, task := p.ask(s, req)
				o := p.outcome(t, task)
				if x.err == "" && o.err != nil || x.err != "" && (o.err == nil || !strings.Contains(o.err.Error(), x.err)) {
					t.Errorf("the error is %v", o.err)
				}
				if b.n != 1 {
					t.Errorf("it was closed %d times", b.n)
				}
				if _, sent, _ := strings.Cut(s.got.String(), "\r\n\r\n"); sent != x.sent {
					t.Errorf("%q was sent", sent)
				}
				if o.err == nil {
					if got, err := io.ReadAll(o.resp.Body); string(got) != "x" || err != nil {
						t.Errorf("the answer is %q, %v", got, err)
					}
				}
				if kept := o.err == nil && x.sent != ""; kept == c.gone() || (p.pool.idle.Len() == 1) != kept {
					t.Errorf("the connection is gone: %v", c.gone())
				}
			})
		})
	}
}

// The trace is told of what was written, and of what was not.
func TestTheTraceIsToldOfWhatIsWritten(t *testing.T) {
	const all = "headers request:<nil>"
	for _, x := range []struct {
		s    *scripted
		body io.Reader
		want string
	}{
		{&scripted{says: []string{okX}}, nil, all},
		{&scripted{says: []string{okX}, refuses: errBroken}, nil, "request:it is broken"},
		{&scripted{says: []string{okX}}, strings.NewReader("body"), all},
		{&scripted{says: []string{okX}}, io.MultiReader(strings.NewReader("body")), all},
	} {
		onPool(t, &Transport{}, func(p *pooled) {
			var told []string
			p.ctx = httptrace.WithClientTrace(p.ctx, &httptrace.ClientTrace{
				WroteHeaders: func() { told = append(told, "headers") },
				WroteRequest: func(i httptrace.WroteRequestInfo) { told = append(told, fmt.Sprint("request:", i.Err)) },
			})
			c, task := p.ask(x.s, p.request("PUT", x.body))
			o := p.outcome(t, task)
			if got := strings.Join(told, " "); got != x.want {
				t.Errorf("it was told %s, want %s", got, x.want)
			}
			if refused := x.s.refuses != nil; refused != errors.Is(o.err, errBroken) || refused != c.gone() {
				t.Errorf("the request ended with %v", o.err)
			}
			if o.err == nil {
				o.resp.Body.Close()
			}
		})
	}
}

// The first byte of a response is told when it comes, and a connection that ends
// without one is an error with a trace, too.
func TestTheTraceIsToldOfTheFirstByte(t *testing.T) {
	for _, end := range []bool{false, true} {
		onPool(t, &Transport{}, func(p *pooled) {
			first := 0
			p.ctx = httptrace.WithClientTrace(p.ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() { first++ }})
			s := &scripted{}
			_, task := p.ask(s, p.request("GET", nil))
			if end {
				s.end = io.EOF
				s.more.Set()
				p.turns()
				if o := p.outcome(t, task); o.err != ErrEmptyReply || first != 0 {
					t.Errorf("%v; the trace was told of a byte %d times", o.err, first)
				}
				return
			}
			s.say(okX[:1])
			p.turns()
			if first != 1 || task.Done() {
				t.Errorf("the trace was told of the first byte %d times", first)
			}
			s.say(okX[1:])
			p.turns()
			o := p.outcome(t, task)
			if o.err != nil || first != 1 {
				t.Fatal(o.err, first)
			}
			o.resp.Body.Close()
		})
	}
}

// What a server says before its response, and instead of it.
func TestWhatComesBeforeAResponse(t *testing.T) {
	stop := errors.New("enough")
	for name, x := range map[string]struct {
		says []string
		want string
	}{
		"the last of 1xx":      {[]string{"HTTP/1.1 199 Soon\r\n\r\n" + okX}, "[199] 200 OK <nil>"},
		"the first of 1xx":     {[]string{"HTTP/1.1 100 Go\r\nA: b\r\n\r\n", okX}, "[100] 200 OK <nil>"},
		"one that is too many": {[]string{strings.Repeat("HTTP/1.1 103 Early\r\n\r\n", 11) + okX}, "[103 103 103 103 103 103 103 103 103 103]  " + ErrTooManyInformational.Error()},
		"the trace says no":    {[]string{"HTTP/1.1 104 No\r\n\r\n" + okX}, "[104]  enough"},
		"a byte of it":         {[]string{"H"}, "[]  asynchttp: the response's header ended early: unexpected EOF"},
		"nothing":              {nil, "[]  " + ErrEmptyReply.Error()},
		"another protocol":     {[]string{"SSH-2.0\r\n"}, `[]  asynchttp: malformed response: malformed HTTP response "SSH-2"`},
		"no status":            {[]string{"HTTP/1.1\r\n\r\n"}, `[]  asynchttp: malformed response: malformed HTTP response "HTTP/1.1"`},
		"too many lines":       {[]string{"HTTP/1.1 200 OK\r\n", "A: b\r\n", "A: b\r\n", "A: b\r\n", "\r\n"}, "[]  " + ErrHeaderTooLarge.Error()},
		"lines of two headers": {[]string{"HTTP/1.1 103 Early\r\nA: b\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\n\r\n"}, "[103] 200 OK <nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			onPool(t, &Transport{MaxResponseFields: 3}, func(p *pooled) {
				early := []int{}
				p.ctx = httptrace.WithClientTrace(p.ctx, &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
					if early = append(early, code); code == 104 {
						return stop
					}
					return nil
				}})
				c, task := p.ask(&scripted{says: x.says, end: io.EOF}, p.request("GET", nil))
				o := p.outcome(t, task)
				status := ""
				if o.err == nil {
					status = o.resp.Status
					o.resp.Body.Close()
				}
				if got := fmt.Sprint(early, " ", status, " ", o.err); got != x.want {
					t.Errorf("got  %s\nwant %s", got, x.want)
				}
				if (o.err != nil) != c.gone() {
					t.Errorf("the connection is gone: %v", c.gone())
				}
			})
		})
	}
}

// Limits of time come when it is their time, and leave nothing.
func TestTheTimesOfARequest(t *testing.T) {
	t.Run("header", func(t *testing.T) {
		onPool(t, &Transport{ResponseHeaderTimeout: time.Minute}, func(p *pooled) {
			c, task := p.ask(&scripted{}, p.request("GET", nil))
			p.pass(time.Minute - 1)
			if task.Done() {
				t.Fatal("too early")
			}
			p.pass(1)
			var late *TimeoutError
			if o := p.outcome(t, task); !errors.As(o.err, &late) || late.Op != "response header" || !c.closed {
				t.Error(o.err)
			}
		})
	})
	for limit, real := range map[time.Duration]time.Duration{0: DefaultExpectContinueTimeout, time.Minute: time.Minute} {
		onPool(t, &Transport{ExpectContinueTimeout: limit, ResponseHeaderTimeout: time.Hour}, func(p *pooled) {
			waits := 0
			p.ctx = httptrace.WithClientTrace(p.ctx, &httptrace.ClientTrace{Wait100Continue: func() { waits++ }})
			req := p.request("PUT", strings.NewReader("body"))
			req.Header.Set("Expect", "100-continue")
			s := &scripted{}
			_, task := p.ask(s, req)
			p.pass(real - 1)
			if strings.HasSuffix(s.got.String(), "body") || waits != 1 {
				t.Errorf("%v: it was sent before its time", limit)
			}
			p.pass(1)
			if !strings.HasSuffix(s.got.String(), "\r\n\r\nbody") {
				t.Errorf("%v: it was not sent in time: %q", limit, s.got.String())
			}
			p.pass(time.Hour - 1)
			if task.Done() {
				t.Error("too early")
			}
			s.say(okX)
			p.turns()
			o := p.outcome(t, task)
			if o.err != nil || p.loop.Stats().Timers != 0 {
				t.Fatal(o.err, p.loop.Stats().Timers)
			}
			o.resp.Body.Close()
		})
	}
	onPool(t, &Transport{ExpectContinueTimeout: -1}, func(p *pooled) {
		req := p.request("PUT", strings.NewReader("body"))
		req.Header.Set("Expect", "100-continue")
		s := &scripted{says: []string{okX}}
		_, task := p.ask(s, req)
		if o := p.outcome(t, task); o.err != nil || !strings.HasSuffix(s.got.String(), "\r\n\r\nbody") {
			t.Error(o.err, s.got.String())
		} else {
			o.resp.Body.Close()
		}
	})
}

// After the response the last of a request's body has a moment to be sent.
func TestTheEndOfARequestsBodyHasAMoment(t *testing.T) {
	for name, took := range map[string]time.Duration{"in time": writeGrace - 1, "too late": writeGrace + 1} {
		onPool(t, &Transport{}, func(p *pooled) {
			var end error
			b := &closes{Reader: readerFunc(func([]byte) (int, error) {
				end = asyncio.Sleep(p.loop.CurrentTask().Context(), took)
				if end == nil {
					return 0, io.EOF
				}
				return 0, end
			})}
			c, task := p.ask(&scripted{says: []string{okX}}, p.request("PUT", b))
			o := p.outcome(t, task)
			if o.err != nil {
				t.Fatal(o.err)
			}
			if _, err := io.ReadAll(o.resp.Body); err != nil {
				t.Error(err)
			}
			p.pass(writeGrace - 2)
			if all, idle := p.pool.all.Len(), p.pool.idle.Len(); all != 1 || idle != 0 || b.n != 0 {
				t.Errorf("%s: %d connections, %d idle before the end", name, all, idle)
			}
			p.pass(3)
			inTime := name == "in time"
			if inTime == c.gone() || inTime != (end == nil) || b.n != 1 || (p.pool.idle.Len() == 1) != inTime {
				t.Errorf("%s: it is gone: %v; the body was read until %v", name, c.gone(), end)
			}
			if n := p.loop.Stats().Timers; n != p.pool.idle.Len() {
				t.Errorf("%s: %d timers are left", name, n)
			}
		})
	}
}

// A body is not sent on where its connection ends with the response.
func TestTheBodyOfARequestEndsWithItsConnection(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", okX + "more"} {
		onPool(t, &Transport{}, func(p *pooled) {
			var end error
			b := &closes{Reader: readerFunc(func([]byte) (int, error) {
				end = asyncio.Sleep(p.loop.CurrentTask().Context(), time.Hour)
				return 0, end
			})}
			s := &scripted{says: []string{answer}}
			c, task := p.ask(s, p.request("PUT", b))
			o := p.outcome(t, task)
			if o.err != nil {
				t.Fatal(o.err)
			}
			if got, err := io.ReadAll(o.resp.Body); string(got) != "x" || err != nil {
				t.Errorf("the answer is %q, %v", got, err)
			}
			p.turns()
			if !c.closed || !asyncio.IsCancelled(end) || b.n != 1 {
				t.Errorf("closed: %v; the body was read until %v, and closed %d times", c.closed, end, b.n)
			}
		})
	}
}

// What says that it is packed and is not is malformed, and ends the connection.
func TestWhatIsNotPackedIsMalformed(t *testing.T) {
	onPool(t, &Transport{}, func(p *pooled) {
		c, task := p.ask(&scripted{says: []string{"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\nnot packed.."}}, p.request("GET", nil))
		o := p.outcome(t, task)
		if o.err != nil {
			t.Fatal(o.err)
		}
		var malformed *MalformedResponseError
		for range 2 {
			if n, err := o.resp.Body.Read(make([]byte, 5)); n != 0 || !errors.As(err, &malformed) || !strings.Contains(err.Error(), "malformed response: gzip: ") {
				t.Errorf("read %d, %v", n, err)
			}
		}
		if c.place == nil && !c.closed {
			t.Error("the body is not closed")
		}
		if o.resp.ContentLength != -1 || !o.resp.Uncompressed || len(o.resp.Header) != 0 {
			t.Errorf("the response is %+v", o.resp)
		}
	})
}

// A body is read by one at a time, packed or not, and says so when it is closed.
func TestABodyThatIsClosedWhileItIsReadSaysSo(t *testing.T) {
	for _, field := range []string{"", "Content-Encoding: gzip\r\n"} {
		onPool(t, &Transport{}, func(p *pooled) {
			s := &scripted{says: []string{"HTTP/1.1 200 OK\r\n" + field + "Content-Length: 99\r\n\r\n"}}
			_, task := p.ask(s, p.request("GET", nil))
			o := p.outcome(t, task)
			if o.err != nil {
				t.Fatal(o.err)
			}
			var n int
			var err error
			asyncio.CreateTask(p.ctx, func(context.Context) (int, error) {
				n, err = o.resp.Body.Read(make([]byte, 5))
				return 0, nil
			})
			p.turns()
			if n, err := o.resp.Body.Read(make([]byte, 5)); n != 0 || err != ErrConcurrentRead {
				t.Errorf("the second read %d, %v", n, err)
			}
			if err := o.resp.Body.Close(); err != nil {
				t.Error(err)
			}
			p.turns()
			if n != 0 || err != ErrBodyClosed {
				t.Errorf("the first read %d, %v", n, err)
			}
			if n, err := o.resp.Body.Read(make([]byte, 5)); n != 0 || err != ErrBodyClosed {
				t.Errorf("after Close it read %d, %v", n, err)
			}
		})
	}
}
