package asynchttp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/version"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// mirror is a handler that tells all it knows of a request, and does by its path
// what handlers do.
func mirror(w http.ResponseWriter, r *http.Request) {
	describe := func() {
		var fields []string
		for k, vs := range r.Header {
			fields = append(fields, fmt.Sprintf("%q", append([]string{k}, vs...)))
		}
		slices.Sort(fields)
		fmt.Fprintf(w, "%s %q %q %s host %q length %d %q close %v trailer %v %v\n", r.Method, r.RequestURI, r.URL, r.Proto, r.Host, r.ContentLength, r.TransferEncoding, r.Close, r.Trailer, fields)
	}
	readAll := func() {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "body %d %.40q failed %v trailer %v\n", len(b), b, err != nil, r.Trailer)
	}
	h := w.Header()
	switch r.URL.Path {
	case "/unread":
		describe()
	case "/part":
		io.ReadFull(r.Body, make([]byte, 1))
		io.WriteString(w, "part")
	case "/stream":
		io.WriteString(w, "one")
		w.(http.Flusher).Flush()
		io.WriteString(w, "two")
	case "/204":
		w.WriteHeader(http.StatusNoContent)
		_, err := io.WriteString(w, "x")
		if !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	case "/304":
		h.Set("Etag", "e")
		h.Set("Content-Type", "a/b")
		w.WriteHeader(http.StatusNotModified)
	case "/304length":
		h.Set("Content-Length", "42")
		w.WriteHeader(http.StatusNotModified)
	case "/early":
		h.Set("X", "early")
		w.WriteHeader(http.StatusTeapot)
		h.Set("X", "late")
		readAll()
	case "/close":
		h.Set("Connection", "close")
		readAll()
	case "/short":
		h.Set("Content-Length", "10")
		io.WriteString(w, "short")
	case "/long":
		h.Set("Content-Length", "3")
		io.WriteString(w, "abc")
		if _, err := io.WriteString(w, "d"); !errors.Is(err, http.ErrContentLength) {
			panic(err)
		}
	case "/trailer":
		h.Set("Trailer", "T")
		io.WriteString(w, "x")
		h.Set("T", "1")
		h.Set(http.TrailerPrefix+"U", "2")
	case "/identity":
		h.Set("Transfer-Encoding", "identity")
		io.WriteString(w, "x")
	case "/hint":
		h.Set("Link", "l")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "<html>")
	case "/panic", "/abort":
		io.WriteString(w, "x")
		if r.URL.Path == "/panic" {
			w.(http.Flusher).Flush()
		}
		panic(http.ErrAbortHandler)
	case "/nothing":
	case "/type":
		h["Content-Type"] = nil
		h["Date"] = nil
		io.WriteString(w, "<html>")
	case "/late":
		w.WriteHeader(http.StatusOK)
		h.Set("Late", "x")
		h.Set("Connection", "close")
		io.WriteString(w, "late")
	default:
		describe()
		readAll()
	}
}

// A sending is how a request is sent.
type sending struct {
	name   string
	pieces int  // into how many it is cut
	half   bool // the client ends its half; else it asks for the end
}

var sendings = []sending{{"whole", 1, false}, {"in pieces", 4, false}, {"half-closed", 1, true}, {"in pieces, half-closed", 3, true}}

const lastRequest = "GET /nothing HTTP/1.1\r\nHost: last\r\nConnection: close\r\n\r\n"

// converse sends a request in a way and returns all that comes back.
func converse(socket, request string, how sending, rnd *rand.Rand) (string, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if !how.half {
		request += lastRequest
	}
	// A server that closes early makes writes fail; what it has said counts.
	for i := how.pieces; i > 0 && err == nil; i-- {
		n := len(request)
		if i > 1 {
			n = rnd.IntN(n + 1)
		}
		_, err = io.WriteString(c, request[:n])
		request = request[n:]
	}
	if how.half {
		c.(*net.UnixConn).CloseWrite()
	}
	// A server may wait for what will not come; the end of the client's half
	// tells it so.
	c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	var got bytes.Buffer
	_, err = got.ReadFrom(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.(*net.UnixConn).CloseWrite()
		c.SetReadDeadline(time.Now().Add(soon))
		_, err = got.ReadFrom(c)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return got.String(), err
	}
	return got.String(), nil // a reset is an end, too
}

// An answer is a response as it is compared.
type answer struct {
	status int
	fields string
	body   string
	closes bool // it says that the connection ends with it
}

// answers reads the responses to a request, by its method.
func readAnswers(request, text string) (list []answer) {
	head := strings.HasPrefix(strings.TrimLeft(request, "\r\n"), "HEAD ")
	br := bufio.NewReader(strings.NewReader(text))
	for {
		if _, err := br.Peek(1); err != nil {
			return list
		}
		of := &http.Request{Method: "GET"}
		if head && !slices.ContainsFunc(list, func(a answer) bool { return a.status >= 200 }) {
			of.Method = "HEAD"
		}
		resp, err := http.ReadResponse(br, of)
		if err != nil {
			return append(list, answer{body: "no response: " + err.Error()})
		}
		body, err := io.ReadAll(resp.Body)
		var fields []string
		if _, ok := resp.Header["Date"]; ok {
			resp.Header.Set("Date", "d")
		}
		if resp.Close || resp.Header.Get("Connection") == "keep-alive" {
			resp.Header.Del("Connection")
		}
		for k, vs := range resp.Header {
			fields = append(fields, fmt.Sprintf("%q", append([]string{k}, vs...)))
		}
		slices.Sort(fields)
		a := answer{resp.StatusCode, fmt.Sprintf("%s %v %d %v %v", resp.Proto, fields, resp.ContentLength, resp.TransferEncoding, resp.Trailer), string(body), resp.Close}
		if err != nil {
			a.body += " cut off"
		}
		list = append(list, a)
		if a.closes && a.status >= 400 && a.status != http.StatusTeapot {
			return list // what follows, after HEAD, is the text of the refusal
		}
	}
}

// A wanted difference is one that this package has chosen.
type wantedDifference struct {
	name, why string
	since     string // the version of Go whose net/http was the first to differ
	is        func(request string, theirs, ours []answer) bool
	seen      int
}

// of reports whether the net/http that is compared with differs so.
func (d *wantedDifference) of(goVersion string) bool {
	return d.since == "" || !version.IsValid(goVersion) || version.Compare(goVersion, d.since) >= 0
}

func statuses(list []answer) (s []int) {
	for _, a := range list {
		s = append(s, a.status)
	}
	return s
}

// withoutTexts compares all but the texts of refusals.
func withoutTexts(list []answer) (l []answer) {
	for _, a := range list {
		if a.status >= 400 && a.status != http.StatusTeapot {
			a.body = ""
		}
		l = append(l, a)
	}
	return l
}

func TestTheServerAnswersAsNetHTTPDoes(t *testing.T) {
	dir := shortDir(t)
	theirSocket, ourSocket := filepath.Join(dir, "n"), filepath.Join(dir, "a")
	l, err := net.Listen("unix", theirSocket)
	if err != nil {
		t.Skip("no unix sockets here: ", err)
	}
	theirs := &http.Server{Handler: http.HandlerFunc(mirror), ErrorLog: log.New(io.Discard, "", 0)}
	go theirs.Serve(l)
	defer theirs.Close()

	requests := chosenRequests()
	chosen := len(requests)
	if chosen < 150 {
		t.Errorf("%d requests are chosen", chosen)
	}
	seed := uint64(1)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 2000 {
		requests = append(requests, generatedRequest(rnd))
	}
	var mu sync.Mutex
	unwanted := 0
	compare := func(request string, how sending, rnd *rand.Rand) error {
		want, err := converse(theirSocket, request, how, rnd)
		if err != nil {
			return fmt.Errorf("net/http, %s: %q: %w", how.name, request, err)
		}
		got, err := converse(ourSocket, request, how, rnd)
		if err != nil {
			return fmt.Errorf("%s: %q: %w", how.name, request, err)
		}
		their, our := withoutTexts(readAnswers(request, want)), withoutTexts(readAnswers(request, got))
		if slices.Equal(their, our) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		for i := range wantedDifferences {
			if d := &wantedDifferences[i]; d.of(runtime.Version()) && d.is(request, their, our) {
				d.seen++
				return nil
			}
		}
		if unwanted++; unwanted <= 20 {
			t.Errorf("%s: %.400q\nnet/http %.900q\nours     %.900q", how.name, request, want, got)
		}
		return nil
	}
	limit, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err = asyncio.Run(limit, func(ctx context.Context) error {
		srv := &asynchttp.Server{Handler: http.HandlerFunc(mirror), Protocols: http1Only}
		if _, err := srv.Start(ctx, "unix", ourSocket); err != nil {
			return err
		}
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
			const workers = 8
			var wg sync.WaitGroup
			errs := make([]error, workers)
			for w := range workers {
				wg.Go(func() {
					rnd := rand.New(rand.NewPCG(seed, uint64(w)))
					for i := w; i < len(requests) && errs[w] == nil; i += workers {
						hows := sendings
						if i >= chosen { // each of these in one way
							hows = sendings[i%len(sendings):][:1]
						}
						for _, how := range hows {
							errs[w] = errors.Join(errs[w], compare(requests[i], how, rnd))
						}
					}
				})
			}
			wg.Wait()
			return 0, errors.Join(errs...)
		})
		return errors.Join(err, srv.Shutdown(ctx))
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d requests were chosen and %d generated; %d differ unwanted", chosen, len(requests)-chosen, unwanted)
	for _, d := range wantedDifferences {
		t.Logf("%5d times: %s: %s", d.seen, d.name, d.why)
		if d.seen == 0 && d.of(runtime.Version()) {
			t.Errorf("nothing differs any more by this: %s", d.name)
		}
	}
}

// hasField reports whether a line of the request's header begins so.
func hasField(request, name string) bool {
	head, _, _ := strings.Cut(strings.ReplaceAll(request, "\r\n", "\n"), "\n\n")
	return strings.Contains(strings.ToLower(head), "\n"+strings.ToLower(name)+":")
}

// cutOff returns the first n answers, as if the last of them said that it is the
// last.
func cutOff(list []answer, n int) []answer {
	list = slices.Clone(list[:min(n, len(list))])
	if len(list) > 0 {
		list[len(list)-1].closes = true
	}
	return list
}

var wantedDifferences = []wantedDifference{
	{
		name: "the preface of HTTP/2",
		why:  "net/http gives it to the handler, which can make something of it only by Hijack; here it is a version that is not spoken",
		is: func(request string, theirs, ours []answer) bool {
			return strings.HasPrefix(request, "PRI * HTTP/2.0") && slices.Equal(statuses(ours), []int{505})
		},
	},
	{
		name: "a line break before a request",
		why:  "RFC 9112, 2.2: a server should ignore it; net/http does so after a POST only",
		is: func(request string, theirs, ours []answer) bool {
			return strings.HasPrefix(request, "\r\n") && slices.Equal(statuses(theirs), []int{400}) && len(ours) > 0 && ours[0].status == 200
		},
	},
	{
		name: "a request with two ends",
		why:  "RFC 9112, 6.1: after Content-Length with Transfer-Encoding, and after Transfer-Encoding in HTTP/1.0, the connection must be closed; net/http keeps it",
		is: func(request string, theirs, ours []answer) bool {
			return hasField(request, "Transfer-Encoding") && (hasField(request, "Content-Length") || strings.Contains(request, "HTTP/1.0")) &&
				slices.Equal(cutOff(theirs, len(ours)), ours)
		},
	},
	{
		name: "an end that is not announced",
		why:  "a body that is cut off ends the connection; here the response says so",
		is: func(request string, theirs, ours []answer) bool {
			return slices.Equal(cutOff(theirs, len(theirs)), ours)
		},
	},
	{
		name: "a few bytes in the place of a request",
		why:  "net/http drops fewer than four of them without a word, here they are a request that is refused",
		is: func(request string, theirs, ours []answer) bool {
			return len(ours) == len(theirs)+1 && slices.Equal(ours[:len(theirs)], theirs) && ours[len(theirs)].status == 400
		},
	},
	{
		name: "a body that the handler made too long",
		why:  "what is beyond Content-Length was refused and not sent, and the response is whole; net/http closes the connection, without a word",
		is: func(request string, theirs, ours []answer) bool {
			return strings.Contains(request, " /long ") && len(ours) == len(theirs)+1 && slices.Equal(ours[:1], theirs)
		},
	},
	{
		name: "the Content-Length of a 304",
		why:  "RFC 9110, 8.6: it is the length that 200 would have; net/http drops it",
		is: func(request string, theirs, ours []answer) bool {
			return strings.Contains(request, " /304length ") && ours[0].status == 304 && strings.Contains(ours[0].fields, `"Content-Length" "42"`) && slices.Equal(ours[1:], theirs[1:])
		},
	},
	{
		name: "1xx for HTTP/1.0",
		why:  "RFC 9110, 15.2: a server must not send it; net/http does",
		is: func(request string, theirs, ours []answer) bool {
			return strings.Contains(request, " /hint HTTP/1.0") && slices.Equal(theirs[1:], ours)
		},
	},
	{
		name: "a body that nobody reads to its end",
		why:  "net/http reads it before it answers, so that it knows of what is wrong with it; here the answer comes first, and says only what can be seen in what has come",
		is: func(request string, theirs, ours []answer) bool {
			return !strings.Contains(request, "/echo ") && slices.Equal(cutOff(ours, len(theirs)), theirs)
		},
	},
	{
		name: "the body of OPTIONS *",
		why:  "net/http reads some of it for nobody, and closes after more; here it is a body like any other that nobody reads",
		is: func(request string, theirs, ours []answer) bool {
			return strings.HasPrefix(request, "OPTIONS * ") && (hasField(request, "Content-Length") || hasField(request, "Transfer-Encoding")) && ours[0].status == 200
		},
	},
	{
		name:  "a body that was to wait for 100, read after the response has begun",
		why:   "net/http refuses to read it, for a client that waits does not send it; here what the client has sent is read",
		since: "go1.27",
		is: func(request string, theirs, ours []answer) bool {
			return hasField(request, "Expect") && slices.Equal(statuses(theirs), statuses(ours)[:1]) &&
				strings.Contains(theirs[0].body, `body 0 "" failed true`) && theirs[0].closes
		},
	},
}
